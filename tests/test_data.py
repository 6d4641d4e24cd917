"Files as strangers find them: damaged, hostile, half there. Each is one sentence that names the file, and leaves nothing behind."
import functools,gzip,hashlib,http.server,io,json,multiprocessing,os,pickle,re,resource,signal,struct,subprocess,sys,tarfile,threading,time,zipfile
from pathlib import Path
import numpy as np,pytest,torch
from PIL import Image
from semistyle.data import open as pub
from semistyle.data.cars import cars3d_space
from semistyle.data.dsprites import dsprites_space
from semistyle.data.factors import AttributeSpace,FactorSpace
from semistyle.data.files import download,npz_rows,open_files,tar_files
from semistyle.data.images import ImageFiles,decode_image
from semistyle.data.loaders import FactorLoader,LabelSplit,label_counts,split_labels
from semistyle.data.open import download_dataset,load_dataset,register_format
from semistyle.data.check import check_factors
from semistyle.data.open import load_world

GRID = FactorSpace(['a','b','c'], [3,2,4])
PIXELS = np.random.default_rng(0).integers(0, 256, (24,16,16,3), np.uint8)
SPRITES = FactorSpace(dsprites_space.names, [3,2,1,2,2])
NORB = FactorSpace(['category','instance','elevation','azimuth','lighting'], [2,2,2,3,2])
CARS = FactorSpace(cars3d_space.names, [2,3,2])

def refused(says, make, *args, **kw):
    "One sentence, a `ValueError`, that has all of `says`"
    with pytest.raises(ValueError) as e: make(*args, **kw)
    text = str(e.value)
    assert '\n' not in text and len(text)<700, text
    for o in [says] if isinstance(says, str) else says: assert o in text, text

def left(folder):
    return sorted(str(o.relative_to(folder))
                  for o in Path(folder).rglob('*') if o.is_file()) if Path(folder).exists() else []

def png(img, fmt='png', **kw):
    f = io.BytesIO(); Image.fromarray(img).save(f, fmt, **kw)
    return f.getvalue()

# Writers of the published formats
def write_npz(path, compressed=True, **arrays):
    (np.savez_compressed if compressed else np.savez)(path, **arrays)
    return path

def dsprites_file(folder, **changes):
    n = len(SPRITES)
    arrays = dict(imgs=np.random.default_rng(0).integers(0, 2, (n,64,64), np.uint8),
                  metadata=np.array({'author':'x'}, dtype=object),
                  latents_classes=np.pad(SPRITES.to_factors(np.arange(n)), ((0,0),(1,0))))
    return write_npz(folder/'dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz', **(arrays | changes))

def shapes_file(folder, **changes):
    h5py = pytest.importorskip('h5py')
    with h5py.File(folder/'3dshapes.h5', 'w') as f:
        for k,v in (dict(images=PIXELS, labels=GRID.to_factors(np.arange(24))*.5) | changes).items():
            f.create_dataset(k, data=v, chunks=True, compression='gzip')
    return folder/'3dshapes.h5'

def matrix(a):
    magic = {'float32':0x1E3D4C51, 'int32':0x1E3D4C54, 'uint8':0x1E3D4C55}[str(a.dtype)]
    return struct.pack(f'<II{max(3, a.ndim)}I', magic, a.ndim, *a.shape, *[1]*(3-a.ndim))+a.tobytes()

def norb_folder(folder, part='train', toys=(4,9), zipped=False, **changes):
    f = np.array([[c,t,e,2*a,l] for c in range(2) for t in toys for e in range(2) for a in range(3) for l in range(2)],
                 np.int32)
    f = f[np.random.default_rng(1).permutation(len(f))]
    arrays = dict(dat=np.zeros((len(f),2,8,8), np.uint8)+(f@[50,3,20,5,1]).astype(np.uint8)[:,None,None,None],
                  cat=f[:,0].copy(), info=f[:,1:].copy())
    folder.mkdir(exist_ok=True)
    for kind,a in (arrays | changes).items():
        data = matrix(a)
        (folder/f"smallnorb-{pub._norb_parts[part]}-{kind}.mat{'.gz'*zipped}").write_bytes(gzip.compress(data) if zipped else data)
    return folder

def cars_file(path, names=('car_001_mesh','car_002_mesh'), **changes):
    io_ = pytest.importorskip('scipy.io')
    items = {'data/cars/list.txt':'\n'.join(names).encode()}
    for i in range(2):
        f = io.BytesIO(); io_.savemat(f, dict(im=np.full((8,8,3,3,2), 50+i, np.uint8)))
        items[f'data/cars/car_00{i+1}_mesh.mat'] = f.getvalue()
    with tarfile.open(path, 'w:gz') as t:
        for n,data in (items | changes).items():
            m = tarfile.TarInfo(n); m.size = len(data); t.addfile(m, io.BytesIO(data))
    return path

def numbered(path, n=24):
    items = [(f'images/{i:06d}.png', png(PIXELS[i])) for i in range(n)]
    if path.suffix=='.zip':
        with zipfile.ZipFile(path, 'w') as z: [z.writestr(*o) for o in items]
    else:
        for name,data in items: (path/name).parent.mkdir(parents=True, exist_ok=True); (path/name).write_bytes(data)
    return path

@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('SEMISTYLE_CACHE', str(tmp_path/'cache')); monkeypatch.delenv('SEMISTYLE_DATA', raising=False)
    return tmp_path/'cache'

# Cut short or damaged
@pytest.mark.parametrize('at', [0, 1, 30, 0.5, -30, -1])
def test_truncated_files(tmp_path, cache, at):
    "An npz, h5, zip, tar, gz or matrix that ends early is named, and the cache holds nothing of it"
    def cut(path):
        data = path.read_bytes()
        path.write_bytes(data[:int(len(data)*at) if isinstance(at, float) else at])
        return path
    refused('dsprites_ndarray', load_dataset, cut(dsprites_file(tmp_path)), space=SPRITES)
    refused('3dshapes.h5', load_dataset, cut(shapes_file(tmp_path)), space=GRID)
    refused('isaac.zip', load_dataset, cut(numbered(tmp_path/'isaac.zip')), space=GRID)
    refused('cars.tar.gz', load_dataset, cut(cars_file(tmp_path/'cars.tar.gz')), space=CARS)
    folder = norb_folder(tmp_path/'norb', zipped=True)
    cut(next(folder.glob('*dat.mat.gz'))); refused('dat.mat.gz', load_dataset, folder, partition='train', space=NORB)
    folder = norb_folder(tmp_path/'plain')
    cut(next(folder.glob('*dat.mat'))); refused('dat.mat', load_dataset, folder, partition='train', space=NORB)
    assert [o for o in left(cache) if 'dat' in o or 'imgs' in o or 'cars' in o or '/.' in o]==[]

def test_flipped_byte(tmp_path, cache):
    "A changed byte in compressed images is found by the checksum of the zip"
    path = dsprites_file(tmp_path, latents_classes=np.zeros(0))
    with zipfile.ZipFile(path) as z: at = z.getinfo('imgs.npy').header_offset+200
    data = bytearray(path.read_bytes()); data[at] ^= 255; path.write_bytes(data)
    refused([path.name,'damaged'], load_dataset, path, space=SPRITES)
    assert left(cache)==[]

# Not what it should be
def test_wrong_arrays(tmp_path):
    "Another dtype, shape, length, key, or labels in another order"
    refused('of float32', load_dataset, dsprites_file(tmp_path, imgs=np.zeros((24,64,64), np.float32)), space=SPRITES)
    refused('images [n,h,w]', load_dataset, dsprites_file(tmp_path, imgs=np.zeros((24,64), np.uint8)), space=SPRITES)
    refused('should hold 24 images', load_dataset, dsprites_file(tmp_path, imgs=np.zeros((23,64,64), np.uint8)),
            space=SPRITES)
    refused('should hold 737,280 images', load_dataset, dsprites_file(tmp_path))
    refused(["array 'imgs'","'images'"], load_dataset, write_npz(tmp_path/'dsprites.npz', images=PIXELS), space=GRID)
    refused(['Python objects','pickle'], load_dataset, dsprites_file(tmp_path, imgs=np.array([{}]*24, dtype=object)),
            space=SPRITES)
    refused("labels of 'b' are not", load_dataset,
            shapes_file(tmp_path, labels=GRID.to_factors(np.arange(24))[:,[0,2,1]]), space=GRID)
    refused('[24,3]', load_dataset, shapes_file(tmp_path, labels=np.zeros((24,2))), space=GRID)
    refused('1,036,800 images', load_dataset, write_npz(tmp_path/'mpi3d_real.npz', images=PIXELS))
    refused('[n,2,h,w]', load_dataset, norb_folder(tmp_path/'n', dat=np.zeros((24,8,8), np.uint8)), partition='train',
            space=NORB)
    refused('some come twice', load_dataset, norb_folder(tmp_path/'m', cat=np.tile(np.int32([0,1]), 24),
                                                         dat=np.zeros((48,2,8,8), np.uint8),
            info=np.int32([[t,e,2*a,l] for t in (4,9) for e in range(2) for a in range(3) for l in range(2)]*2)),
            partition='train', space=NORB)
    refused('car_001_mesh.mat', load_dataset,
            cars_file(tmp_path/'c.tar.gz', **{'data/cars/car_001_mesh.mat':b'MATLAB 5.0'}), space=CARS)

def test_pickles_are_never_loaded(tmp_path):
    "The pickled metadata of dSprites stays unread, even when it would do harm"
    class Harm:
        def __reduce__(self): return (os.mkdir, (str(tmp_path/'harm'),))
    path = dsprites_file(tmp_path, metadata=np.array([Harm()], dtype=object))
    assert len(load_dataset(path, space=SPRITES))==24 and not (tmp_path/'harm').exists()

# Archives that do harm
def test_archives_that_climb(tmp_path):
    for name in ('../x.png', '/x.png', 'a/../../x.png', 'C:\\x.png', '..\\x.png'):
        with zipfile.ZipFile(tmp_path/'a.zip', 'w') as z:
            z.writestr('ok.png', png(PIXELS[0])); z.writestr(name, png(PIXELS[1]))
        refused(['a.zip','inside itself'], load_dataset, tmp_path/'a.zip')
        refused(['c.tar.gz','inside itself'], load_dataset, cars_file(tmp_path/'c.tar.gz', **{name:b''}), space=CARS)
    assert left(tmp_path.parent/'x.png')==[]

def test_archive_bombs(tmp_path, cache):
    "Sizes out of proportion, a name that comes twice, a password, a link, and an npz that claims more than it has"
    with zipfile.ZipFile(tmp_path/'a.zip', 'w', zipfile.ZIP_DEFLATED) as z:
        with z.open('zeros.png', 'w') as f: [f.write(bytes(2**20)) for _ in range(65)]
    refused(['a.zip','archive bomb'], load_dataset, tmp_path/'a.zip')
    with pytest.warns(UserWarning), zipfile.ZipFile(tmp_path/'b.zip', 'w') as z:
        [z.writestr('a.png', png(PIXELS[i])) for i in (0,1)]
    refused(['b.zip','a.png 2 times'], load_dataset, tmp_path/'b.zip')
    with zipfile.ZipFile(tmp_path/'c.zip', 'w') as z:
        link = zipfile.ZipInfo('a.png'); link.external_attr = 0o120777<<16
        z.writestr(link, '/etc/passwd')
    refused(['c.zip','a.png is a link'], load_dataset, tmp_path/'c.zip')
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, dict(descr='|u1', fortran_order=False, shape=(2**40,64,64)))
    with zipfile.ZipFile(tmp_path/'mpi3d_toy.npz', 'w') as z: z.writestr('images.npy', head.getvalue()+bytes(100))
    refused('mpi3d_toy.npz', load_dataset, tmp_path/'mpi3d_toy.npz')
    gz = next(norb_folder(tmp_path/'n', zipped=True).glob('*dat.mat.gz'))
    gz.write_bytes(gz.read_bytes()[:-4]+struct.pack('<I', 100))            # claims 100 bytes, gives more
    refused([gz.name,'should unpack'], load_dataset, gz.parent, partition='train', space=NORB)
    big = bytearray(png(PIXELS[0])); big[16:24] = struct.pack('>II', 60_000, 60_000)
    refused('x.png', decode_image, bytes(big), name='x.png')
    assert not any('dat' in o for o in left(cache))

# Grids of numbered pictures
@pytest.mark.parametrize('name', ['grid','grid.zip'])
def test_numbered_grids(tmp_path, name):
    ds = load_dataset(numbered(tmp_path/name), space=GRID)
    np.testing.assert_array_equal(ds.batch(GRID.to_factors(np.arange(24))), PIXELS)
    assert isinstance(ds.space, FactorSpace) and (ds.codes([23])==1).all()

def test_gaps_in_a_grid(tmp_path):
    folder = numbered(tmp_path/'isaac3d_part')
    (folder/'images'/'000013.png').unlink()
    refused(['isaac3d_part','lacks 1','000013'], load_dataset, folder, space=GRID)
    refused('numbered 0 to 737,279, lacks 737,257', load_dataset, folder)                 # the name says Isaac3D
    (folder/'images'/'000013.png').write_bytes(png(PIXELS[13])[:50]); ds = load_dataset(folder, space=GRID)
    refused('000013.png', ds.images, [12,13]); assert [*ds.find_broken()]==['images/000013.png']
    (folder/'more').mkdir(); (folder/'more'/'000002.png').write_bytes(png(PIXELS[2]))
    refused('000002.png', load_dataset, folder, space=GRID)
    refused('holds 23', load_dataset, numbered(tmp_path/'b'), space=FactorSpace(['a'], [23]))

# Labels
def photos(folder, n=6):
    folder.mkdir()
    for i in range(n): (folder/f'{i}.png').write_bytes(png(PIXELS[i]))
    return folder

def csv_of(tmp_path, text): (tmp_path/'labels.csv').write_text(text); return tmp_path/'labels.csv'

def test_labels_of_nothing(tmp_path):
    folder = photos(tmp_path/'photos')
    def opened(text): return load_dataset(folder, labels=csv_of(tmp_path, text))
    refused(['labels.csv','2 are not','x.png'], opened, 'file,a\n0.png,1\nx.png,0\ny.png,0\n1.png,0')
    refused(['labels.csv','0.png again'], opened, 'file,a\n0.png,1\n0.png,0')
    refused(['labels.csv, line 3','maybe'], opened, 'file,a\n0.png,1\n1.png,maybe')
    refused(['labels.csv, line 2','has 3'], opened, 'file,a\n0.png,1,2')
    refused(["'a'",'only 1'], opened, 'file,a\n0.png,1\n1.png,1')
    refused("a should be a number, or empty where it is missing, got 'inf'", opened, 'file,a\n0.png,1\n1.png,inf')
    refused('header', opened, 'file\n0.png'); refused('is empty', opened, '')
    (folder/'dataset.json').write_text(json.dumps(dict(labels=[['0.png',0],['gone.png',1]])))
    refused(['dataset.json','gone.png'], load_dataset, folder)
    (folder/'dataset.json').write_text('{"labels": [["0.png"'); refused('dataset.json', load_dataset, folder)

def test_partly_labelled_photos_train(tmp_path):
    "Binary, stepped and continuous attributes with gaps: batches carry NaN, the losses stay finite, and every label counts"
    from semistyle.core import set_seed
    from semistyle.models.semi import semi_networks
    from semistyle.training.gan import StyleGANLearner
    from semistyle.training.presets import semi_terms
    rows = [f"{i}.png,{'' if i%3==0 else i%2},{'' if i%2 else i%4},{'' if i%5==0 else i/7}" for i in range(16)]
    ds = load_dataset(photos(tmp_path/'photos', 20),
                      labels=csv_of(tmp_path, 'file,round,steps,height\n'+'\n'.join(rows)))
    assert [o['kind'] for o in ds.attributes]==['binary','binary','continuous'] and len(ds)==20
    split = split_labels(ds, 0.5); split.save(tmp_path/'s.json'); split = LabelSplit.load(tmp_path/'s.json', ds.space)
    assert len(split)==10 and not np.isnan(ds.codes(split.labelled)).all(1).any()
    counts = label_counts(ds)
    assert [o['labelled'] for o in counts]==[10,8,12] and all(o['labelled']+o['missing']==20 for o in counts)
    loader = FactorLoader(ds, split, bs=4, labelled_bs=4, n_batches=6)
    assert any(loader.draw(i)[2].isnan().any() for i in range(6))
    set_seed(0)
    g,d = semi_networks(3, 16, 3, dict(z_dim=4, w_dim=8, channel_base=64, channel_max=8),
                        dict(channel_base=64, channel_max=8))
    learn = StyleGANLearner(loader, g, d, semi_terms(gamma_e=1.), sample_codes=ds.space.sample_codes)
    learn.fit(1)
    assert all(torch.isfinite(o) for o in learn.losses.values()) and 'd.supervised_code' in learn.losses
    assert all(torch.isfinite(p).all() for p in learn.model.parameters())

def test_importer_reports(tmp_path):
    "Hidden files are listed, broken ones only left out on request"
    folder = photos(tmp_path/'photos'); (folder/'.DS_Store').write_bytes(b''); (folder/'notes.txt').write_text('x')
    (folder/'3.png').write_bytes(b'')
    ds = load_dataset(folder, 8)
    assert ds.report==dict(hidden=['.DS_Store'], other=['notes.txt'], broken={}, images=6)
    refused('3.png', ds.images, range(6))
    with pytest.warns(UserWarning, match='1 broken'): ds = load_dataset(folder, 8, skip_broken=True)
    assert len(ds)==5 and [*ds.report['broken']]==['3.png'] and ds.images(range(5)).shape==(5,8,8,3)
    for kw in (dict(fit='squash'), dict(filter='sinc'), dict(channels=2), dict(resolution=3)):
        refused('should be', load_dataset, folder, **kw)
    refused('options among', load_dataset, folder, lables='x')
    refused('should hold images', load_dataset, tmp_path/'cache') if (tmp_path/'cache').exists() else None
    assert load_dataset(folder, 8, fit='pad', filter='lanczos').resize==dict(filter='lanczos', fit='pad', background=255, native=[16,16], resolution=8)

# Big files, many processes, sudden ends
def test_memory_stays_small(tmp_path):
    "Random rows of 200 MB in an npz, plain, add less than 30 MB to the process"
    code = f"""import numpy as np,resource
from semistyle.data.files import npz_rows
r = npz_rows({str(tmp_path/'big.npz')!r}, 'images'); idx = np.random.default_rng(0).integers(0, len(r), 64)
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss/1024
r[idx]; a = peak()
for s in range(200): r[np.random.default_rng(s).integers(0, len(r), 64)]
print(peak()-a)"""
    with zipfile.ZipFile(tmp_path/'big.npz', 'w', allowZip64=True) as z, z.open('images.npy', 'w') as f:
        np.lib.format.write_array_header_1_0(f, dict(descr='|u1', fortran_order=False, shape=(50_000,64,64)))
        for _ in range(50): f.write(bytes(1000*4096))
    out = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True,
                         env=os.environ | dict(OMP_NUM_THREADS='1'))
    assert out.returncode==0 and float(out.stdout)<30, (out.stdout, out.stderr)

def _same(ds, want, seed):
    idx = np.random.default_rng(seed).integers(0, len(ds), 40)
    return bool((ds.images(idx)==want[idx]).all())

def test_many_workers(tmp_path):
    "Forked processes that share an opened zip, h5 or npz read what one reads alone"
    sets = [load_dataset(numbered(tmp_path/'a.zip'), space=GRID), load_dataset(shapes_file(tmp_path), space=GRID),
            load_dataset(write_npz(tmp_path/'mpi3d_toy.npz', images=PIXELS), space=GRID)]
    with multiprocessing.get_context('fork').Pool(4) as pool:
        for ds in sets: assert all(pool.map(functools.partial(_same, ds, PIXELS), range(8))) and _same(ds, PIXELS, 9)

def test_killed_while_unpacking(tmp_path, cache):
    "A process killed half way leaves no file of the final name; the next one has the whole array"
    a = np.random.default_rng(0).integers(0, 4, (3000,64,64), np.uint8)
    path = write_npz(tmp_path/'big.npz', images=a)
    code = f"""import semistyle.data.files as f,time
whole = f._piece
def slow(*args): time.sleep(.2); return whole(*args)
f._piece = slow; print('begun', flush=True); f.npz_rows({str(path)!r}, 'images')"""
    p = subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, text=True)
    p.stdout.readline(); time.sleep(.7); p.send_signal(signal.SIGKILL); p.wait()
    assert all(Path(o).name[0]=='.' for o in left(cache))
    rows = npz_rows(path, 'images'); idx = np.arange(0, 3000, 7)
    np.testing.assert_array_equal(rows[idx], a[idx])

def test_optional_packages(tmp_path, monkeypatch):
    "Without h5py or scipy the error names the extra"
    h5,cars = shapes_file(tmp_path),cars_file(tmp_path/'c.tar.gz')
    monkeypatch.setitem(sys.modules, 'h5py', None); monkeypatch.setitem(sys.modules, 'scipy.io', None)
    for path,space in ((h5,GRID), (cars,CARS)):
        with pytest.raises(ImportError, match=r"pip install 'semistyle\[data\]'"): load_dataset(path, space=space)

# Downloads
class Server(http.server.BaseHTTPRequestHandler):
    files,cut = {},{}
    def log_message(self, *args): pass
    def do_GET(self):
        data,at = self.files.get(self.path.strip('/')),0
        if data is None: return self.send_error(404)
        if m := re.match(r'bytes=(\d+)-', self.headers.get('Range') or ''): at = int(m[1])
        self.send_response(206 if at else 200)
        if at: self.send_header('Content-Range', f'bytes {at}-{len(data)-1}/{len(data)}')
        self.send_header('ETag', '"1"'); self.send_header('Content-Length', str(len(data)-at)); self.end_headers()
        self.wfile.write(data[at:at+self.cut.get(self.path.strip('/'), len(data))])

@pytest.fixture
def server():
    s = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Server)
    threading.Thread(target=s.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{s.server_port}'
    s.shutdown(); s.server_close()

def test_download_to_dataset(tmp_path, server, monkeypatch):
    "From a mirror: interrupted, gone on with, checked, opened; another checksum is refused and the file not kept"
    data = write_npz(tmp_path/'x.npz', images=PIXELS).read_bytes(); root,told = tmp_path/'root',[]
    good = pub.Published([('mpi3d_toy.npz', [f'{server}/gone.npz'], hashlib.md5(data).hexdigest())],
                         pub._sets['mpi3d-toy'].opens, 'https://page')
    monkeypatch.setitem(pub._sets, 'mpi3d-toy', good)
    Server.files,Server.cut = {'mpi3d_toy.npz':data},{'mpi3d_toy.npz':len(data)//5}
    refused(['the line broke','gone.npz','mpi3d_toy.npz'], download_dataset, 'mpi3d-toy', root, mirrors=[server])
    assert left(root)==['mpi3d-toy/mpi3d_toy.npz.part','mpi3d-toy/mpi3d_toy.npz.part.json']
    refused('it is not there', load_dataset, 'mpi3d-toy', root=root, space=GRID)
    Server.cut = {}
    download_dataset('mpi3d_toy', root, mirrors=[server], progress=lambda *o: told.append(o))
    assert told[-1]==('mpi3d_toy.npz', len(data), len(data)) and left(root)==['mpi3d-toy/mpi3d_toy.npz']
    np.testing.assert_array_equal(load_dataset('mpi3d-toy', root=root, space=GRID).images(range(24)), PIXELS)
    Server.files = {'mpi3d_toy.npz':data[:-1]+b'x'}
    refused('its md5 should be', download_dataset, 'mpi3d-toy', tmp_path/'else', mirrors=[server])
    assert not any(o.endswith('.npz') for o in left(tmp_path/'else'))

def test_no_internet(tmp_path):
    "Where nothing answers, the error has the addresses and the file's name"
    refused(['http://127.0.0.1:9/a.npz','a.npz','save the file as'], download, ['http://127.0.0.1:9/a.npz'],
            tmp_path/'a.npz', tries=1, timeout=2)
    for name in pub.published_sets():
        refused([name,'Where there is internet','https' if name!='cars3d' else 'http'], load_dataset, name,
                root=tmp_path)

# Formats of others
def test_registered_format(tmp_path):
    class Mine:
        def __init__(self, path, resolution=None): self.path,self.resolution = path,resolution
    (tmp_path/'a.mine').write_bytes(b'')
    register_format('mine', lambda path: path.suffix=='.mine', Mine)
    try: assert load_dataset(tmp_path/'a.mine', 32).resolution==32
    finally: pub._formats[:] = [o for o in pub._formats if o[0]!='mine']

# Do the factors fit the pixels, where most pixels are noise?
class Declared:
    "The images of a world, under another declaration"
    def __init__(self, world, sizes=None, off=0):
        self.space,self.world,self.off = FactorSpace(world.space.names, sizes or world.space.sizes),world,off
        self.image_shape = world.image_shape
    def __len__(self): return len(self.world)
    def images(self, idx): return self.world.images((idx+self.off)%len(self))

@pytest.mark.slow
@pytest.mark.parametrize('name', ['sprites-noisy','sprites-swirl'])
def test_factors_in_noise(name):
    "Before noise and pieces of a picture: right is right, and a permuted order and an off-by-one name the factor"
    world = load_world(name, 16)
    res = check_factors(world)
    assert res['ok'] and res['sizes']==[3,6,40,32,32], res['problems']
    assert 'y is suspect' in check_factors(Declared(world, sizes=[3,6,32,32,40]))['problems'][0]
    if name=='sprites-swirl':
        assert 'y is suspect: its lines begin' in check_factors(Declared(world, off=1))['problems'][0]
