"Packed stores when things go wrong: killed, torn, flipped, full; and many readers. The commands on them."
import errno,json,multiprocessing,os,shutil,signal,subprocess,sys,time
from contextlib import contextmanager
from pathlib import Path
import numpy as np, pytest
from PIL import Image
import semistyle.data.packed as packed
from semistyle.data.factors import FactorSpace
from semistyle.data.packed import PackedDataset,check_packed,pack
from semistyle.data.open import load_dataset
from semistyle.data.open import load_world
from commands import ONE_THREAD,refuses,run,script

@pytest.fixture(scope='module')
def photos(tmp_path_factory):
    "A folder of 60 pictures and a CSV with labels of some"
    folder = tmp_path_factory.mktemp('data')/'photos'
    folder.mkdir()
    world = load_world('sprites', 32)
    for i,x in enumerate(world.images(np.arange(0, 600_000, 10_000))):
        Image.fromarray(x[...,0]).save(folder/f'{i:03}.png')
    rows = [f'{i:03}.png,{i%2},{i/60:.2f}' for i in range(0, 60, 3)]
    folder.with_name('labels.csv').write_text('\n'.join(['file,odd,place',*rows]))
    return folder

@pytest.fixture(scope='module')
def store(photos, tmp_path_factory):
    out = tmp_path_factory.mktemp('stores')/'photos'
    pack(load_dataset(photos, labels=photos.with_name('labels.csv')), out, workers=1, progress=False)
    return out

def files(path): return {o.relative_to(path):o.read_bytes() for o in path.rglob('*') if o.is_file()}

class Slow:
    "A source that takes its time, so that a kill falls somewhere inside"
    name,image_shape,space = 'slow',(8,8,3),FactorSpace(['image'], [2000])
    def __len__(self): return 2000
    def images(self, idx):
        time.sleep(.005)
        return (idx[:,None,None,None]*np.arange(1, 193).reshape(8,8,3)%251).astype(np.uint8)

def pack_slowly(out):
    "Pack in a process of its own, with two workers"
    p = multiprocessing.get_context('fork').Process(target=pack, args=(Slow(), out, 2, False))
    p.start()
    return p

def lines(work): return len((work/'journal').read_text().split('\n')) if (work/'journal').exists() else 0

posix = pytest.mark.skipif(os.name!='posix', reason='processes are forked and signalled')

@posix
def test_killed_and_resumed(tmp_path, monkeypatch):
    "Killed twice while two workers write, packing goes on where it was and ends with the bytes of one that was not"
    monkeypatch.setattr(packed, '_chunk_bytes', 8*8*3*10)  # 200 chunks
    pack(Slow(), tmp_path/'whole', 2, False)
    out,work = tmp_path/'parts',tmp_path/'.parts.packing'
    for share in (40,120):
        p = pack_slowly(out)
        while lines(work)<share and p.is_alive(): time.sleep(.005)
        p.kill(); p.join()
        assert p.exitcode==-signal.SIGKILL and not out.exists()
        time.sleep(.3)  # workers notice that they are alone
        before = (work/'store'/'images.npy').stat().st_mtime_ns
        time.sleep(.2)
        assert (work/'store'/'images.npy').stat().st_mtime_ns==before and lines(work)<200
    p = pack_slowly(out)
    p.join()
    assert p.exitcode==0 and files(out)==files(tmp_path/'whole') and not work.exists()

@posix
def test_two_packs_at_once(tmp_path, monkeypatch):
    "Two processes pack into one path: it ends whole, each has the store or is told of the other, and nothing is left beside it"
    monkeypatch.setattr(packed, '_chunk_bytes', 8*8*3*40)  # 50 chunks
    pack(Slow(), tmp_path/'alone', 1, False)
    ps = [pack_slowly(tmp_path/'both') for _ in range(2)]
    for p in ps: p.join()
    assert 0 in [p.exitcode for p in ps] and {p.exitcode for p in ps}<={0,1}
    assert files(tmp_path/'both')==files(tmp_path/'alone') and not (tmp_path/'.both.packing').exists()

def test_packed_by_another_before_the_lock(tmp_path, monkeypatch):
    "Another process makes all of the store between the first look and the lock: it is taken, and not made again"
    real,source = packed._packing_lock,Slow()
    @contextmanager
    def late(work):
        monkeypatch.setattr(packed, '_packing_lock', real)
        pack(source, tmp_path/'store', 1, False)
        work.mkdir(exist_ok=True)
        monkeypatch.setattr(packed, '_pack_chunk', None)  # no chunk is packed twice
        with real(work): yield
    monkeypatch.setattr(packed, '_packing_lock', late)
    ds = pack(source, tmp_path/'store', 1, False)
    assert len(ds)==2000 and [*tmp_path.iterdir()]==[tmp_path/'store']

def test_a_disk_that_fills_up(photos, store, tmp_path, monkeypatch):
    "One sentence, no store, and with more space the rest is packed"
    monkeypatch.setattr(packed, '_chunk_bytes', 32*32*3*4)
    real,left = packed._pack_chunk,[40]
    def full(*args):
        left[0] -= 1
        if left[0]<32: raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*args)
    source = load_dataset(photos, labels=photos.with_name('labels.csv'))
    with monkeypatch.context() as m:
        m.setattr(packed, '_pack_chunk', full)
        with pytest.raises(OSError, match='could not write .*/new: the disk is full: free some space'):
            pack(source, tmp_path/'new', 1, False)
    assert not (tmp_path/'new').exists() and lines(tmp_path/'.new.packing')==9
    pack(source, tmp_path/'new', 1, False)
    assert (tmp_path/'new'/'images.npy').read_bytes()==(store/'images.npy').read_bytes() and [*tmp_path.iterdir()]==[tmp_path/'new']

def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)

def edit(path, **kw): path.write_text(json.dumps(json.loads(path.read_text()) | kw))

DAMAGE = {
    'flipped pixel':  (lambda o: flip(o/'images.npy', 4000), ['images.npy is damaged', 'images 0 to 59', 'pack anew']),
    'torn':           (lambda o: os.truncate(o/'images.npy', 4000),
                       ['images.npy should have', 'has 4,000', 'pack anew']),
    'no pixels':      (lambda o: (o/'images.npy').unlink(), ['images.npy is missing', 'copy the whole folder']),
    'other version':  (lambda o: edit(o/'packed.json', version=9), ['format version 1, is of 9', 'pack the data anew']),
    'edited':         (lambda o: edit(o/'packed.json', name='faces'), ['packed.json is damaged', 'pack anew']),
    'torn json':      (lambda o: os.truncate(o/'packed.json', 50), ['packed.json should be JSON', 'restore it']),
    'flipped label':  (lambda o: flip(o/'codes.npy', -1), ['codes.npy is damaged', 'restore it'])}

@pytest.mark.parametrize('what', DAMAGE)
def test_damaged_store(what, store, tmp_path):
    damage,says = DAMAGE[what]
    bad = tmp_path/'bad'
    shutil.copytree(store, bad)
    damage(bad)
    refuses('semistyle_data', 'check', bad, says=says)
    if what!='flipped pixel': refuses('semistyle_data', 'info', bad, says=says)

def read_all(ds, seed, results):
    "Random batches, then every image once in a random order: are they right?"
    rng,want = np.random.default_rng(seed),ds.array
    right = all((ds.images(i)==want[i]).all() for i in rng.integers(60, size=(100,64)))
    i = rng.permutation(60)
    results.put(right and bool((ds.images(i)==want[i]).all()))

@posix
def test_four_processes_read_one_store(store):
    "One object in four forked processes, and in this one meanwhile"
    ctx,ds = multiprocessing.get_context('fork'),PackedDataset(store)
    ds.images([0])
    results = ctx.Queue()
    ps = [ctx.Process(target=read_all, args=(ds, i, results)) for i in range(4)]
    for p in ps: p.start()
    read_all(ds, 4, results)
    assert [results.get(timeout=60) for _ in range(5)]==[True]*5
    for p in ps: p.join()

def test_packing_a_folder_from_the_command_line(photos, store, tmp_path):
    "pack, info, check and preview, with JSON beside"
    out = tmp_path/'photos'
    args = ['pack', photos, '--labels', photos.with_name('labels.csv'), '--out', out, '--workers', 1]
    r = run('semistyle_data', *args)
    assert r.code==0 and 'packed 60 images' in r.out, r.err
    assert (out/'images.npy').read_bytes()==(store/'images.npy').read_bytes() and check_packed(out, False)==[]
    assert run('semistyle_data', *args).code==0  # nothing left to do
    info = run('semistyle_data', 'info', out, '--json')
    d = json.loads(info.out)
    assert (d['images'], d['resolution'], [o['name'] for o in d['factors']],
            d['factors'][0]['known'])==(60, 32, ['odd','place'], 20)
    assert run('semistyle_data', 'check', out).code==0
    r = run('semistyle_data', 'preview', out, '--out', tmp_path/'grid.png')
    assert r.code==0 and Image.open(tmp_path/'grid.png').size[0]>100 and json.loads((tmp_path/'grid.json').read_text())['images']==60

def test_checking_factors_from_the_command_line(tmp_path):
    r = run('semistyle_data', 'check', 'robot', '--resolution', 16, '--out', tmp_path/'check.json')
    assert r.code==0 and 'the factors fit the pixels' in r.out, r.err
    assert json.loads((tmp_path/'check.json').read_text())['ok']
    refuses('semistyle_data', 'check', 'robot', '--resolution', 16, '--sizes', '3,5,8,4,4,4,6,4,4',
            says=['robot_y is suspect', '[3, 8, 5, 4'])

@pytest.mark.skipif(sys.platform!='linux', reason='names of files are text there')
def test_names_that_are_no_utf8(photos, tmp_path):
    folder,one = tmp_path/'latin',(photos/'000.png').read_bytes()
    for o in (b'a\xe9',b'b'):
        os.makedirs(os.path.join(os.fsencode(folder), o))
        for i in range(2): Path(os.fsdecode(os.path.join(os.fsencode(folder), o, b'%d\xe9.png'%i))).write_bytes(one)
    words = 'semistyle_data','info',folder,'--labels','folders','--out',tmp_path/'info.json'
    res = subprocess.run([sys.executable, script(words[0]), *words[1:]], capture_output=True,
                         env=os.environ|ONE_THREAD|dict(PYTHONIOENCODING='utf-8:strict'))
    assert res.returncode==0 and b'folder is 1 for b and 0 for a\xe9' in res.stdout, res.stderr
    assert json.loads((tmp_path/'info.json').read_text())['factors'][0]['name']=='folder=b'

def test_bad_words(photos, store, tmp_path):
    refuses('semistyle_data', 'polish', 'robot', says=['action should be one of info, pack', "got 'polish'"])
    refuses('semistyle_data', 'info', 'mars', says=['data set should be one of', "got 'mars'"])
    refuses('semistyle_data', 'pack', photos, says=['out should be'])
    refuses('semistyle_data', 'pack', photos, '--out', store, says=['should be new or the store of this data set'])
    refuses('semistyle_data', 'pack', photos, '--out', tmp_path/'x', '--labels', tmp_path/'no.csv', says=['no.csv'])
    refuses('semistyle_data', 'pack', photos, '--out', tmp_path/'x', '--resolution', 512,
            says=['`resolution` should be at most 32'])
    refuses('semistyle_data', 'pack', photos, '--out', tmp_path/'x', '--workers', 0,
            says=['workers should be at least 1'])
    refuses('semistyle_data', 'preview', store, '--out', tmp_path/'a.jpg', says=['out should end in .png'])
    refuses('semistyle_data', 'check', 'robot', '--resolution', 16, '--sizes', '3,many',
            says=['sizes should be whole numbers'])
    refuses('semistyle_data', 'download', 'falcor3d', '--root', tmp_path/'d',
            says=['falcor3d is handed out by a page', 'https://'])
    assert not [o for o in tmp_path.iterdir() if o.name!='d']

@posix
def test_ctrl_c_keeps_what_is_packed(tmp_path):
    "Exit code 130, a sentence, and the same command goes on"
    out = tmp_path/'robot'
    cmd = [sys.executable, script('semistyle_data'), 'pack', 'sprites', '--resolution', '32', '--out', str(out),
           '--workers', '2']
    p = subprocess.Popen(cmd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | ONE_THREAD,
                         start_new_session=True)
    while lines(tmp_path/'.robot.packing')<4 and p.poll() is None: time.sleep(.05)
    os.killpg(p.pid, signal.SIGINT)  # as a terminal does: to all processes of the command
    err = p.communicate()[1]
    assert p.returncode==130 and 'the same command goes on' in err.splitlines()[-1] and 'Traceback' not in err, err
    assert not out.exists() and lines(tmp_path/'.robot.packing')>=4

def test_bench_data_refuses():
    refuses('semistyle_bench', 'data', '--images', 5, says=['images should be from 100 to 737,280, got 5'])
    refuses('semistyle_bench', 'train', '--images', 500,
            says=['images should be given for data, discover and memory only'])
    refuses('semistyle_bench', 'data', '--world', 'sprites', says=['world should be robot for data'])
