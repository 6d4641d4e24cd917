"Pictures, tables and archives as people bring them: the right value, or one sentence that helps."
import io,json,re,zipfile
import numpy as np,pytest
from PIL import Image
from semistyle.data.celeba import _celeba_list
from semistyle.data.identity import data_hash,describe_data,open_source,options_of
from semistyle.data.images import decode_image
from semistyle.data.open import load_dataset

def saved(im, fmt='png', **kw):
    f = io.BytesIO(); im.save(f, fmt, **kw)
    return f.getvalue()

def grey(v): return saved(Image.new('L', (8,8), v))

def put(home, *names, data=None):
    "Pictures of one grey each, 20 apart"
    for i,n in enumerate(names):
        (home/n).parent.mkdir(parents=True, exist_ok=True)
        (home/n).write_bytes(data or grey(20*i))
    return home

def zipped(path, items):
    with zipfile.ZipFile(path, 'w') as z:
        for k,v in items.items():
            info = zipfile.ZipInfo('x'); info.filename = k # as it is written, backslashes too
            z.writestr(info, v)
    return path

def table(home, text, name='labels.csv'):
    (home/name).write_bytes(text.encode() if isinstance(text, str) else text)
    return home/name

def codes(ds): return np.nan_to_num(ds.codes(np.arange(len(ds))), nan=9).tolist()

# Pictures

@pytest.mark.parametrize('fmt', ['png','tiff','jpeg','webp'])
@pytest.mark.parametrize('o', range(1, 9))
def test_a_picture_is_turned_once(fmt, o, tmp_path):
    up = np.kron(np.uint8([[0,80,40], [160,240,200]]), np.ones((16,16), np.uint8))
    stored = {1:up, 2:up[:,::-1], 3:up[::-1,::-1], 4:up[::-1], 5:up.T, 6:up.T[::-1], 7:up[::-1,::-1].T,
              8:up.T[:,::-1]}[o]
    e = Image.Exif(); e[274] = o
    data = saved(Image.fromarray(stored.copy()), fmt, exif=e)
    want = up[:,8:40]
    assert np.abs(decode_image(data, channels=1)[...,0].astype(int)-want).mean()<6
    (tmp_path/f'a.{fmt}').write_bytes(data)
    ds = load_dataset(tmp_path, fit='pad')
    assert ds.resize['native']==[32,48] and np.abs(ds.images([0])[0,8:40,:,0].astype(int)-up).mean()<6

@pytest.mark.parametrize('bits', [8,10,12,14,15,16])
def test_bits_are_looked_at_over_the_set(bits, tmp_path):
    "White of any number of bits is white, wherever it is in the set; and it can be given"
    top = 2**bits-1
    for i in range(6): (tmp_path/f'{i}.png').write_bytes(saved(Image.fromarray(np.full((8,8), top*i//5, np.uint16))))
    ds = load_dataset(tmp_path)
    np.testing.assert_allclose(ds.images(range(6))[:,0,0,0], 51*np.arange(6), atol=1)
    assert (bits==16) == (not ds.notes) and (bits==16 or f'{bits} are used' in ds.notes[0])
    assert load_dataset(tmp_path, bits=16).images([5]).max()==(top+128)//257
    if bits>8:
        with pytest.raises(ValueError, match=f'more than 8 bits: give bits={bits}'):
            load_dataset(tmp_path, bits=8).images([5])

def png16(a, kind):
    "A PNG of 16 bits a channel, of numbers [h,w,C]"
    import struct,zlib
    def chunk(t, d): return struct.pack('>I', len(d))+t+d+struct.pack('>I', zlib.crc32(t+d))
    rows = b''.join(b'\0'+o.astype('>u2').tobytes() for o in a)
    return b'\x89PNG\r\n\x1a\n'+chunk(b'IHDR', struct.pack('>IIBBBBB', a.shape[1], a.shape[0], 16, kind, 0, 0,
                                                           0))+chunk(b'IDAT', zlib.compress(rows))+chunk(b'IEND', b'')

def tiff16(a, order):
    "A colour TIFF of 16 bits a channel, in one strip"
    import struct
    o = '<>'[order=='MM']; h,w,_ = a.shape; n = 9; data = a.astype(o+'u2').tobytes()
    tags = [(256,3,1,w),(257,3,1,h),(258,3,3,8+2+12*n+4),(259,3,1,1),(262,3,1,2),(273,4,1,8+2+12*n+4+6),(277,3,1,3),
            (278,3,1,h),(279,4,1,len(data))]
    ifd = b''.join(struct.pack(o+'HHI', t, k, c)+(struct.pack(o+'HH', v, 0) if k==3
                                                  and c==1 else struct.pack(o+'I', v)) for t,k,c,v in tags)
    return order.encode()+struct.pack(o+'HI', 42, 8)+struct.pack(o+'H', n)+ifd+bytes(4)+struct.pack(o+'HHH', 16, 16, 16)+data

@pytest.mark.parametrize('bits', [10,12,16])
@pytest.mark.parametrize('kind', ['rgb','rgba','la','II','MM','ppm','plain'])
def test_colours_of_many_bits_keep_their_levels(kind, bits, tmp_path):
    "Pillow gives the upper byte alone: 16 levels of 4,096"
    v = np.linspace(0, 2**bits-1, 64).round().astype(np.uint16).reshape(8,8)
    rgb,full = np.stack([v, v.T, v[::-1]], -1),np.full((8,8,1), 65535, np.uint16)
    data = dict(rgb=lambda: png16(rgb, 2), rgba=lambda: png16(np.concatenate([rgb,full], -1), 6),
                la=lambda: png16(np.concatenate([v[...,None],full], -1), 4),
                II=lambda: tiff16(rgb, 'II'), MM=lambda: tiff16(rgb, 'MM'),
                ppm=lambda: b'P6\n8 8\n65535\n'+rgb.astype('>u2').tobytes(),
                plain=lambda: b'P3\n8 8\n65535\n'+' '.join(map(str, rgb.ravel())).encode())[kind]()
    (tmp_path/f"a.{'tif' if kind in ('II','MM') else 'ppm' if kind[0]=='p' else 'png'}").write_bytes(data)
    ds = load_dataset(tmp_path); got = ds.images([0])[0]
    want = (v[...,None] if kind=='la' else rgb)*255./(2**bits-1)
    assert np.abs(got-want).max()<(.51 if bits<16 else 1.01) and bool(ds.notes)==(bits<16)

@pytest.mark.parametrize('bits', [8,12])
def test_colours_of_many_bits_are_turned(bits, tmp_path):
    v = np.linspace(0, 2**bits-1, 24).round().astype(np.uint16).reshape(4,6); e = Image.Exif(); e[274] = 6
    im = Image.fromarray(v); (tmp_path/'a.png').write_bytes(saved(im, exif=e))
    assert np.abs(load_dataset(tmp_path, fit='pad', channels=1).images([0])[0,:,1:5,0]-np.rot90(v, -1)*(255/(2**bits-1))).max()<=.5

def test_every_suffix_that_pillow_reads(tmp_path):
    put(tmp_path, 'a.png', 'b.jfif', 'c.JPE', 'd.tga', 'e.dib', data=None)
    (tmp_path/'d.tga').write_bytes(saved(Image.new('RGB', (8,8)), 'tga')); (tmp_path/'x.pdf').write_bytes(b'%PDF')
    (tmp_path/'.y.png').write_bytes(b'')
    ds = load_dataset(tmp_path)
    assert len(ds)==5 and ds.notes==['1 files are left out as they are no pictures, such as x.pdf',
                                     '1 hidden files are left out, such as .y.png']

def test_frames_are_said(tmp_path):
    one,two = Image.new('L', (8,8), 10),Image.new('L', (8,8), 200)
    for kind in ('tiff','gif','webp'):
        home = tmp_path/kind; home.mkdir(); one.save(home/f'a.{kind}', save_all=True, append_images=[two])
        ds = load_dataset(home); assert 'several pages or frames' in ds.notes[0] and ds.images([0]).mean()<60

def test_a_large_scan_is_sound(tmp_path, recwarn):
    noise = np.random.default_rng(0).integers(0, 256, (9600,19200), np.uint8)      # 184 million pixels
    data = saved(Image.fromarray(noise), 'tiff'); limit = Image.MAX_IMAGE_PIXELS
    assert decode_image(data, 16, channels=1).shape==(16,16,1) and not recwarn.list and Image.MAX_IMAGE_PIXELS==limit
    with pytest.raises(ValueError, match='a bomb'): decode_image(saved(Image.new('1', (14_000,14_000))))

# Labels

LABELS = dict(csv='file,a\n0.png,1\n1.png,0\n2.png,1\n')

@pytest.mark.parametrize('name,text', [
    ('dataset.json', json.dumps(dict(labels=[['0.png',1],['1.png',0],['2.png',1]]))),
    ('Dataset.json', json.dumps(dict(labels=[['0.png',1],['1.png',0],['2.png',1]]))),
    ('labels.csv', LABELS['csv']), ('Labels.CSV', LABELS['csv']), ('labels.tsv', LABELS['csv'].replace(',', '\t')),
    ('metadata.jsonl', ''.join(json.dumps(dict(file_name=f'{i}.png', a=(i+1)%2))+'\n' for i in range(3))),
    ('metadata.csv', 'file_name,a\n'+LABELS['csv'].split('\n', 1)[1])])
@pytest.mark.parametrize('top', ['', 'mydata/', 'mydata\\', 'a/b/'])
def test_a_table_inside_is_found(name, text, top, tmp_path):
    ds = load_dataset(zipped(tmp_path/'a.zip', {f'{top}{i}.png':grey(i)
                                                for i in range(3)} | {top+name:text,
                                                                      f'__MACOSX{top[-1:] or "/"}._0.png':b''}))
    assert ds.labelled and codes(ds)==[[1],[0],[1]] and name in ds.notes[0] and len(ds)==3
    assert not load_dataset(tmp_path/'a.zip', labels='none').labelled

def test_litter_is_no_picture(tmp_path):
    items = {'d\\0.png':grey(0), '__MACOSX\\d\\0.png':grey(0), 'd\\.ipynb_checkpoints\\0-checkpoint.png':grey(0),
             'd/@eaDir/0.png':grey(0), '$RECYCLE.BIN\\0.png':grey(0)}
    ds = load_dataset(zipped(tmp_path/'a.zip', items))
    assert ds.names==['d\\0.png'] and '4 hidden files' in ds.notes[0]

@pytest.mark.parametrize('row', ['{}.png','{}','sub/{}.png','SUB/{}.PNG','.\\sub\\{}.png','/home/me/photos/sub/{}.png',
                                 'C:\\me\\sub\\{}.png','{}.jpg','sub/{}.tiff','/x/{}.png'])
def test_names_in_a_table(row, tmp_path):
    put(tmp_path/'p', *[f'sub/img{i}.png' for i in range(3)])
    text = 'file,a\n'+''.join(f"{row.format(f'img{i}')},{i}\n" for i in range(3))
    if row.startswith('/x/'):
        with pytest.raises(ValueError, match='3 are not, such as /x/'):
            load_dataset(tmp_path/'p', labels=table(tmp_path, text))
    else: assert codes(load_dataset(tmp_path/'p', labels=table(tmp_path, text)))==[[0],[.5],[1]]

@pytest.mark.parametrize('text', [',file,a\n0,0.png,1\n1,1.png,0\n2,2.png,\n', '0.png,1\n1.png,0\n2.png,\n',
                                  'file;a\n0.png;True\n1.png;False\n2.png;NA\n',
    ',file,a\n7,0.png,1\n3,1.png,0\n5,2.png,\n',
    'Unnamed: 0.1,Unnamed: 0,file,a\n0,4,0.png,1\n1,2,1.png,0\n2,9,2.png,NA\n',
    'file,a,\n0.png,1,\n1.png,0,\n2.png,.,\n',
    '{"file":{"0":"0.png","1":"1.png","2":"2.png"},"a":{"0":1,"1":0,"2":null}}',
                                  'file;a\n0.png;2,5\n1.png;0,25\n2.png;#N/A\n',
                                  'file,a\n0.png,80%\n1.png,5%\n2.png,missing\n',
    '\ufefffile\ta\n0.png\tyes\n1.png\tno\n2.png\t\n', 'a,file\n1,0.png\n0,1.png\nnan,2.png\n',
                                  '3\na\n0.png 1\n1.png -1\n2.png ?\n'])
def test_forms_of_a_table(text, tmp_path):
    for data in (text, text.removeprefix('\ufeff').encode('utf-16'), text.removeprefix('\ufeff').encode('utf-16-le')):
        ds = load_dataset(put(tmp_path/'p', '0.png','1.png','2.png'), labels=table(tmp_path, data))
        assert codes(ds)==[[1],[0],[9]]

@pytest.mark.parametrize('odd', [-1,-999,9999,1e20,-99,65535,-999.25,-32768,-500])
def test_missing_is_never_taken_silently(odd, tmp_path):
    home,file = put(tmp_path/'p', '0.png','1.png','2.png',
                    '3.png'),table(tmp_path, f'file,age\n0.png,20\n1.png,{odd:g}\n2.png,40\n3.png,30\n')
    with pytest.raises(ValueError, match=r"if it means that nobody knows, give missing=(.*); if it is a value, missing='none'") as e:
        load_dataset(home, labels=file)
    for missing in (odd, re.search(r'missing=(.*?);', str(e.value))[1], [odd,-5]):
        assert codes(load_dataset(home, labels=file, missing=missing))==[[0],[9],[1],[.5]]
    assert load_dataset(home, labels=file, missing='none').attributes[0]['known']==4

def test_classes_keep_their_names(tmp_path):
    home = put(tmp_path/'p', 'train/cat/0.png','train/dog/1.png','val/wild/2.png','val/cat/3.png')
    ds = load_dataset(home, labels='folders')
    assert ds.space.names==('folder=cat','folder=dog','folder=wild') and codes(ds)==[[1,0,0],[0,1,0],[1,0,0],[0,0,1]]
    assert any('parts of the set' in o for o in ds.notes) and any('no order' in o for o in ds.notes)
    one = load_dataset(home, labels='folders', class_order='cat,dog,wild')
    assert one.space.names==('folder (cat < dog < wild)',) and codes(one)==[[0],[.5],[0],[1]]
    two = load_dataset(put(tmp_path/'q', 'cat/0.png','dog/1.png'), labels='folders')
    assert two.space.names==('folder=dog',) and codes(two)==[[0],[1]]
    assert [o['name'] for o in describe_data(ds)['attributes']]==[*ds.space.names]

def test_missing_in_two_ways(tmp_path):
    "The second is asked about as well"
    home,file = put(tmp_path/'p', *[f'{i}.png' for i in range(5)]),table(tmp_path, 'file,age\n0.png,20\n1.png,-1\n2.png,40\n3.png,-999\n4.png,30\n')
    with pytest.raises(ValueError, match='missing=-999;'): load_dataset(home, labels=file)
    with pytest.raises(ValueError, match="missing=-999,-1; if it is a value, missing='-999,none'"):
        load_dataset(home, labels=file, missing=-999)
    assert codes(load_dataset(home, labels=file, missing='-999,-1'))==[[0],[9],[1],[9],[.5]]

def test_spellings_of_a_class(tmp_path):
    home,file = put(tmp_path/'p', *[f'{i}.png' for i in range(4)]),table(tmp_path, 'file,hat\n0.png,None\n1.png,Cap\n2.png,cap\n3.png,fez\n')
    ds = load_dataset(home, labels=file)
    assert codes(ds)==[[9],[0],[0],[1]] and any('none means that nobody knows' in o for o in ds.notes)
    assert load_dataset(home, labels=file, missing='none').space.names==('hat=Cap','hat=fez','hat=None')

@pytest.mark.parametrize('names', [('train2017/cat/0.png','train2017/dog/1.png','val2017/cat/2.png'),
                                   ('cat/train/0.png','dog/train/1.png','cat/test/2.png'),
                                   ('Train_Set/cat/0.png','Train_Set/dog/1.png','test_set/cat/2.png'),
                                   ('d/training/cat/0.png','d/training/dog/1.png','d/testing/cat/2.png')])
def test_parts_of_a_set_are_no_classes(names, tmp_path):
    ds = load_dataset(put(tmp_path/'p', *names), labels='folders')
    assert ds.space.names==('folder=dog',) and sorted(codes(ds))==[[0],[0],[1]] and 'parts of the set' in ''.join(ds.notes)

def test_zeros_that_a_spreadsheet_dropped(tmp_path):
    home,file = put(tmp_path/'p', *[f'{i:06}.png' for i in (7,8,10)]),table(tmp_path, 'id,a\n7,1\n8,0\n10,1\n')
    assert codes(load_dataset(home, labels=file))==[[1],[0],[1]]

@pytest.mark.parametrize('name', ['annotations.csv','list_attr.txt','sub/my.xlsx','meta/x.json'])
def test_a_table_of_another_name_is_pointed_at(name, tmp_path):
    put(tmp_path, '0.png','1.png'); (tmp_path/name).parent.mkdir(exist_ok=True); (tmp_path/name).write_text('x')
    assert f'{name} may be a table' in ''.join(load_dataset(tmp_path).notes) and 'may be' not in ''.join(load_dataset(tmp_path, labels='none').notes)

@pytest.mark.parametrize('head,says', [(b'7z\xbc\xaf\'', '7z'), (b'Rar!\x1a', 'RAR'), (bytes(257)+b'ustar', 'a tar'),
                                       (b'\x1f\x8b\x08', 'gzip')])
def test_other_archives_are_named(head, says, tmp_path):
    (tmp_path/'a.bin').write_bytes(head+bytes(300))
    with pytest.raises(ValueError, match=f'{says}.*unpack it, and give the folder'): load_dataset(tmp_path/'a.bin')

@pytest.mark.parametrize('data,says', [(b'PK\3\4x', 'spreadsheet'), (b'\x93NUMPY', 'numpy'), (b'PAR1', 'Parquet'),
                                       ('Größe'.encode('latin-1'), "can't decode")])
def test_what_is_no_text_is_named(data, says, tmp_path):
    with pytest.raises(ValueError, match=f'should be a CSV in UTF-8, is .*{says}.*: save it as one'):
        load_dataset(put(tmp_path/'p', '0.png','1.png'), labels=table(tmp_path, data))

def test_numbered_folders_are_in_order(tmp_path):
    ds = load_dataset(put(tmp_path/'p', '1/a.png','2/a.png','10/a.png','9/a.png'), labels='folders')
    assert ds.names==['1/a.png','10/a.png','2/a.png','9/a.png']
    np.testing.assert_allclose(ds.codes(range(4))[:,0], [0,1,1/9,8/9], atol=1e-6)

def test_runs_of_before_read_as_before(tmp_path):
    home = put(tmp_path/'p', 'train/cat/0.png','train/dog/1.png','val/cat/2.png')
    ds = open_source(home, labels='folders', **{k:v for k,v in options_of(dict(options={})).items()})
    assert ds.space.names==('folder',) and codes(ds)==[[0],[.5],[1]] and describe_data(ds, rules=1)['rules']==1

def test_chosen_columns(tmp_path):
    home,file = put(tmp_path/'p', '0.png','1.png',
                    '2.png'),table(tmp_path, 'file,age,sex,one\n0.png,20,Male,5\n1.png,40,Female,5\n2.png,30,Male,5\n')
    ds = load_dataset(home, labels=file)
    assert ds.space.names==('age','sex=Male') and any('left out: one (one value)' in o for o in ds.notes)
    assert load_dataset(home, labels=file, label_columns='sex').space.names==('sex=Male',)
    with pytest.raises(ValueError, match='`label_columns` should be among'):
        load_dataset(home, labels=file, label_columns='hat')

def test_lists_of_celeba_with_a_mark(tmp_path):
    for mark in (b'', b'\xef\xbb\xbf'):
        assert _celeba_list(table(tmp_path, mark+b'2\nHat Young\n1.jpg -1 1\n2.jpg 1 1\n'))==(['Hat','Young'], {'1.jpg':[-1,1], '2.jpg':[1,1]})
        assert _celeba_list(table(tmp_path, mark+b'1.jpg 0\n2.jpg 2\n'))[1]=={'1.jpg':[0], '2.jpg':[2]}
