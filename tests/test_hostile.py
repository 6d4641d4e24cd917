"""Files that were made to do harm, other than the pickles of test_import: nothing in them runs, each ends in one sentence or is read as
data, within 20 seconds and 2 GB. Each is opened in a process of its own, whose peak memory and time the system tells."""
import hashlib,io,json,os,pickle,signal,struct,time,zipfile
from pathlib import Path
import numpy as np,pytest
from PIL import Image
from semistyle.core import keep_freed_memory,read_json,write_json
from semistyle.models.checkpoint import _sealed,load_model
from semistyle.data.open import load_dataset

class Bomb:
    def __reduce__(self): return os.mkdir, ('ran',)

SCRIPT = '<script>document.title="ran"</script><img src=x onerror=alert(1)>'

def png(side=8):
    f = io.BytesIO(); Image.new('RGB', (side,side), (9,9,9)).save(f, 'png')
    return f.getvalue()

# ---- checkpoints: everything that a maker of such a folder can sign is signed
def model(tmp, data=None, **rec):
    "A signed folder of one network, whose file or description is as given"
    from semistyle.models.vae import VAE
    from safetensors.torch import save
    net = VAE(8, 2, 1, 4, 8)
    if data is None: data = save(net.state_dict())
    tmp.mkdir(exist_ok=True)
    (tmp/'vae.safetensors').write_bytes(data)
    rec = {'class':'vae', 'args':net.init_args, 'bytes':len(data), 'sha256':hashlib.sha256(data).hexdigest()} | rec
    write_json(tmp/'config.json', _sealed('semistyle model', networks=dict(vae=rec), config={}))
    return tmp

def header(text, body=b'', n=None):
    text = text if isinstance(text, bytes) else text.encode()
    return struct.pack('<Q', len(text) if n is None else n)+text+body

def tensor(dtype='F32', shape=(2,), offsets=(0,8)):
    return json.dumps(dict(a=dict(dtype=dtype, shape=shape, data_offsets=offsets)))

SAFETENSORS = {
    'header longer than the file': header('{}', n=2**40), 'header of 2^63 bytes': header('{}', n=2**63),
    'no header': b'', 'only a length': b'\0'*8,
    'header that is no text': header(b'\xff\xfe{}'), 'header that is a list': header('[]'),
    'a deep header': header('['*200_000),
    'a long header': header(b'{'+b' '*20_000_000+b'}'),
    'offsets beyond the end': header(tensor(offsets=(0,2**40)), b'\0'*8),
    'offsets backwards': header(tensor(offsets=(8,0)), b'\0'*8),
    'negative offsets': header(tensor(offsets=(-8,0)), b'\0'*8),
    'a shape of exabytes': header(tensor(shape=(2**31,2**31)), b'\0'*8),
    'a shape that overflows': header(tensor(shape=(2**33,2**33)), b'\0'*8),
    'an unknown type': header(tensor(dtype='OBJECT'), b'\0'*8), 'a fitting file of another': header(tensor(), b'\0'*8)}

ARGS = {'a picture of gigapixels': dict(img_resolution=2**20), 'billions of numbers': dict(z_dim=10**9),
        'negative sizes': dict(z_dim=-1),
        'a size that is text': dict(width='x'*10**6), 'a size that is a list': dict(width=[4]*10**5),
        'a wide network': dict(width=10**6),
        'arguments that it has not': dict(os_system='ls'), 'a wide layer': dict(hidden=10**9)}

def deep(tmp, n=200_000): (tmp/'a.json').write_text('['*n+']'*n); return tmp/'a.json'
def digits(tmp): (tmp/'a.json').write_text('1'*100_000); return tmp/'a.json'

def generator_model(tmp, **args):
    "A signed folder of a generator whose arguments ask for more than its file holds"
    from semistyle.models.stylegan import Generator
    from safetensors.torch import save
    g = Generator(z_dim=4, c_dim=1, w_dim=4, img_resolution=8, img_channels=1, channel_base=64, channel_max=8,
                  mapping_layers=1)
    data = save(g.state_dict())
    tmp.mkdir(exist_ok=True)
    (tmp/'generator.safetensors').write_bytes(data)
    rec = {'class':'generator', 'args':g.init_args | args, 'bytes':len(data), 'sha256':hashlib.sha256(data).hexdigest()}
    write_json(tmp/'config.json', _sealed('semistyle model', networks=dict(generator=rec), config={}))
    return tmp

# ---- stores, arrays, tables and pictures
def photos(home, n=6, text=None, name=lambda i: f'{i}.png'):
    home.mkdir(exist_ok=True)
    for i in range(n): (home/name(i)).write_bytes(png())
    (home.parent/'t.csv').write_text(text or 'file,hat\n'+''.join(f'{i}.png,{i%2}\n' for i in range(n)))
    return home

def store(tmp, codes=None, **info):
    "A signed store whose description, or whose codes, are as given"
    from semistyle.data.packed import _digest,pack
    pack(load_dataset(photos(tmp/'p'), labels=tmp/'t.csv'), tmp/'s', workers=1, progress=False)
    has = read_json(tmp/'s'/'packed.json') | info
    if codes is not None:
        (tmp/'s'/'codes.npy').write_bytes(codes)
        has['codes_sha256'] = hashlib.sha256(codes).hexdigest()
    has.pop('checksum')
    write_json(tmp/'s'/'packed.json', has | dict(checksum=_digest(has)))
    ds = load_dataset(tmp/'s')
    return ds.images(np.arange(len(ds))),ds.codes(np.arange(len(ds)))

def npy(descr="'|O'", shape='(3,)', body=b'', extra=''):
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, {extra}}}".ljust(118)+'\n'
    return b'\x93NUMPY\1\0'+struct.pack('<H', len(text))+text.encode()+body

def objects(): f = io.BytesIO(); np.save(f, np.array([Bomb()], dtype=object), allow_pickle=True); return f.getvalue()

STORES = {
    'codes that are a pickle': dict(codes=objects()), 'codes of objects': dict(codes=npy(body=pickle.dumps([Bomb()]))),
    'codes of exabytes': dict(codes=npy("'<f4'", '(10**18,)')),
    'a header that calls': dict(codes=npy("__import__('os').mkdir('ran')")),
    'codes that are a zip': dict(codes=b'PK\3\4'+b'\0'*60),
    'codes of other shape': dict(codes=npy("'<f4'", '(1,)', b'\0'*4)),
    'more images than bytes': dict(n=10**15), 'a negative number': dict(n=-6), 'a shape of none': dict(shape=[0,0,0]),
    'chunks of nothing': dict(chunk=0),
    'an offset before the file': dict(offset=-9),
    'a space of huge factors': dict(space=dict(names=['a'], sizes=[10**18])), 'a space of text': dict(space='a'),
    'a name of script': dict(name=SCRIPT)}

def npz(tmp, **arrays):
    np.savez(tmp/'dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz', **arrays)
    return load_dataset(tmp/'dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz').images([0])

def h5(tmp, how):
    h5py = pytest.importorskip('h5py')
    (tmp/'secret').write_bytes(b'secret'*9)
    with h5py.File(tmp/'3dshapes.h5', 'w') as f: how(h5py, f, tmp)
    ds = load_dataset(tmp/'3dshapes.h5')
    return ds.images([0])
H5 = {
    'an external link': lambda h, f, t: f.update({}) or f.__setitem__('images', h.ExternalLink(str(t/'secret'), '/x')),
    'external storage': lambda h, f, t: f.create_dataset('images', (3,2,3,3), np.uint8,
                                                         external=[(str(t/'secret'), 0, 54)]),
    'links in a circle': lambda h, f, t: (f.__setitem__('images', h.SoftLink('/labels')),
                                          f.__setitem__('labels', h.SoftLink('/images'))),
    'a set of exabytes': lambda h, f, t: f.create_dataset('images', (2**40,64,64,3), np.uint8, chunks=(1,64,64,3)),
    'objects': lambda h, f, t: f.create_dataset('images', (3,), h.string_dtype())}

def zipped(tmp, items, how=zipfile.ZIP_DEFLATED, load=True):
    with zipfile.ZipFile(tmp/'a.zip', 'w', how) as z:
        for k,v in items: z.writestr(k if isinstance(k, zipfile.ZipInfo) else str(k), v)
    ds = load_dataset(tmp/'a.zip')
    return ds.images(np.arange(len(ds)))

def link(name, to):
    o = zipfile.ZipInfo(name); o.create_system,o.external_attr = 3,0o120777<<16
    return o,to

def big_png():
    "16 gigapixels of one colour in few bytes"
    import zlib
    def part(kind, data): return struct.pack('>I', len(data))+kind+data+struct.pack('>I', zlib.crc32(kind+data))
    return b'\x89PNG\r\n\x1a\n'+part(b'IHDR', struct.pack('>IIBBBBB', 2**17, 2**17, 1, 0, 0, 0,
                                                          0))+part(b'IDAT', zlib.compress(b'\0'*1000))+part(b'IEND', b'')

PICTURES = {
    'names that climb': lambda t: zipped(t, [('../../ran.png', png()), ('/ran.png', png()), ('ok.png', png())]),
    'a link to another file': lambda t: zipped(t, [link('a.png', '/etc/passwd'), ('b.png', png())]),
    'a picture of gigapixels': lambda t: zipped(t, [('a.png', big_png())]),
    'a bomb among pictures': lambda t: zipped(t, [('a.png', b'\0'*60_000_000)]),
    'one name twice': lambda t: zipped(t, [('a.png', png()), ('a.png', png())]),
    'a table that is a bomb': lambda t: zipped(t, [('a.png', png()), ('labels.csv', b'file,a\n'+b'x'*60_000_000)])}

TABLES = {
    'formulas': 'file,"=cmd|\' /C calc\'!A0"\n'+''.join(f'{i}.png,{"@SUM(1)" if i%2 else "=1+1"}\n' for i in range(6)),
    'script in a name': f'file,"{SCRIPT}"\n'.replace('=', '=').replace('"ran"', "'ran'")+''.join(f'{i}.png,{i%2}\n' for i in range(6)),
    'a cell of megabytes': 'file,hat\n0.png,"'+'1'*5_000_000+'"\n', 'zero bytes': 'file,hat\n0.png,\0\n',
    'a hundred thousand columns': 'file,'+','.join(f'c{i}' for i in range(100_000))+'\n0.png'+',1'*100_000+'\n',
    'an open quote': 'file,hat\n0.png,"1\n1.png,0\n',
    'numbers without end': 'file,hat\n'+''.join(f'{i}.png,1e{300+i*9999}\n' for i in range(6)),
    'a name that climbs': 'file,hat\n../../etc/passwd,1\n'}
def table(text): return lambda t: load_dataset(photos(t/'p', text=text), labels=t/'t.csv').codes(np.arange(6))

def page(t):
    "Script in every name that reaches a page"
    from semistyle.viz import html_report,report_table,text_table
    html_report(t/'a.html', SCRIPT, {SCRIPT:[report_table([{SCRIPT:SCRIPT}], SCRIPT, digits=2), SCRIPT]}, SCRIPT,
                {SCRIPT:SCRIPT}, SCRIPT)
    text = (t/'a.html').read_text()
    assert '<script' not in text and '<img src=x' not in text and "default-src 'none'" in text

def card(t):
    m = load_model(model(t/'m'))
    m.card = f'# {SCRIPT}'
    assert '<script' not in m._repr_markdown_()

def torch_zip(t, items, how=zipfile.ZIP_STORED):
    from semistyle.models.importing.networks import import_model
    with zipfile.ZipFile(t/'x.pt', 'w', how) as z:
        for k,v in items: z.writestr(k, v)
    return import_model(t/'x.pt', t/'out')
def imported(t, data):
    from semistyle.models.importing.networks import import_model
    (t/'x.safetensors').write_bytes(data)
    return import_model(t/'x.safetensors', t/'out')

def claims(n=2**15, names=('synthesis.b4.const','mapping.fc0.weight')):
    "A generator's names before tensors that share no byte but say that they are large, of none of which the file has more than it needs"
    return header(json.dumps({o:dict(dtype='F32', shape=(n,n,0), data_offsets=(0,0))
                              for o in (*names, *(f'synthesis.b4.x{i}' for i in range(50_000)))}))
PK = b'\x80\x02}q\0.'

CASES = {
    **{f'safetensors: {k}':lambda t, v=v: load_model(model(t/'m', v)) for k,v in SAFETENSORS.items()},
    **{f'import: {k}':lambda t, v=v: imported(t, v) for k,v in SAFETENSORS.items()},
    'import: many names of nothing':lambda t: imported(t, claims()),
    'import: a name of script':lambda t: imported(t,
                                                  header(json.dumps({SCRIPT:dict(dtype='F32', shape=[2], data_offsets=[0,8])}), b'\0'*8)),
    **{f'arguments: {k}':lambda t, v=v: load_model(model(t/'m',
                                                         args=dict(img_resolution=8, z_dim=2, img_channels=1, width=4,
                                                                   hidden=8) | v)) for k,v in ARGS.items()},
    'arguments: endless layers':lambda t: load_model(generator_model(t/'m', mapping_layers=10**9)),
    'arguments: a huge generator':lambda t: load_model(generator_model(t/'m', channel_base=2**40, channel_max=2**30)),
    'class: a function of os':lambda t: load_model(model(t/'m', **{'class':'os:system'})),
    'class: a list':lambda t: load_model(model(t/'m', **{'class':['vae']})),
    'bytes: text':lambda t: load_model(model(t/'m', bytes='x')),
    'json: deep':lambda t: read_json(deep(t)), 'json: a long number':lambda t: read_json(digits(t)),
    'json: 20 MB of nothing':lambda t: read_json((t/'b.json').write_bytes(b' '*20_000_000) and t/'b.json'),
    **{f'store: {k}':lambda t, v=v: store(t, **v) for k,v in STORES.items()},
    'npz: objects':lambda t: npz(t, imgs=np.array([Bomb()], dtype=object)),
    'npz: metadata':lambda t: npz(t, imgs=np.zeros((2,64,64), np.uint8), metadata=np.array(Bomb(), dtype=object)),
    **{f'h5: {k}':lambda t, v=v: h5(t, v) for k,v in H5.items()}, **{f'pictures: {k}':v for k,v in PICTURES.items()},
    **{f'table: {k}':table(v) for k,v in TABLES.items()},
    'page':page, 'card':card, 'zip: names that climb':lambda t: torch_zip(t, [('../a/data.pkl', PK)]),
    'zip: a bomb':lambda t: torch_zip(t, [('a/data.pkl', PK), ('a/data/0', b'\0'*60_000_000)], zipfile.ZIP_DEFLATED),
    'zip: two programs':lambda t: torch_zip(t, [('a/data.pkl', PK), ('b/data.pkl', PK)]),
    'zip: a program':lambda t: torch_zip(t, [('a/data.pkl', PK), ('a/code/x.py', b'raise')])}

def opened(make, tmp):
    "Open in a forked process: its sentence, exit status, seconds and megabytes"
    r,w = os.pipe()
    start,pid = time.monotonic(),os.fork()
    if not pid:
        # as in a training: what is asked for is then filled
        os.close(r); os.chdir(tmp); signal.alarm(60); keep_freed_memory(); said,code = '',0
        try: make(tmp)
        except (ValueError, OSError) as e: said,code = str(e),2
        except BaseException as e: said,code = f'{type(e).__name__}: {e}',1
        os.write(w, said[:2000].encode('utf-8', 'replace'))
        os._exit(code)
    os.close(w)
    with os.fdopen(r, errors='replace') as f: said = f.read()
    _,status,use = os.wait4(pid, 0)
    return said,os.waitstatus_to_exitcode(status),time.monotonic()-start,use.ru_maxrss/1000

@pytest.mark.skipif(not hasattr(os, 'fork'), reason='processes are forked')
@pytest.mark.parametrize('case', CASES)
def test_hostile(case, tmp_path):
    said,code,seconds,mb = opened(CASES[case], tmp_path)
    assert code or not case.startswith('import')
    print(f'{case}: {code} {seconds:.1f} s {mb:.0f} MB {said[:150]}')
    assert code in (0,2), (case, code, said)
    assert seconds<20 and mb<2000, (case, seconds, mb)
    assert not list(tmp_path.rglob('ran')) and not (tmp_path.parent/'ran.png').exists() and not (tmp_path.parent.parent/'ran.png').exists()
    if code: assert said and '\n' not in said.strip(), said
