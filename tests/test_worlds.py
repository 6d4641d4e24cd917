"Every rendered world from outside: same pictures everywhere, one entry, a cache that several processes share and that may break."
import hashlib,os,subprocess,sys
import numpy as np
import pytest
from PIL import Image
from commands import ONE_THREAD,refuses,run
from semistyle.data.open import load_world
from semistyle.data.robot import RobotWorld
from semistyle.data.room import RoomWorld

ALL = ['robot','robot-novel','robot-novel-color','room','shapes','sprites','sprites-noisy','sprites-color','sprites-swirl']
# Of twelve images at 16x16: trained models know these pictures, so a change of them is a change of every result
SEEN = {'robot':'b4bc27c45a669155',
        'robot-novel':'9a301f9825df6678',
        'robot-novel-color':'0997e5d9c4796f8b',
        'room':'7a04b13736896e30',
        'shapes':'d22c6d3e84830f5c',
        'sprites':'0876f85bde05b6e3',
        'sprites-noisy':'fa22afd2cc63ca28',
        'sprites-color':'bd0bf45de6ebaa2f',
        'sprites-swirl':'9efa541fb8b9cda8'}

@pytest.fixture(autouse=True)
def cast_on_demand(monkeypatch):
    "Robot and room take seconds to cast whole; image by image they are the same"
    for cls in (RobotWorld,RoomWorld): monkeypatch.setattr(cls, 'eager_up_to', 0)

@pytest.fixture(scope='module')
def cache(tmp_path_factory): return tmp_path_factory.mktemp('cache')

def twelve(world):
    idx = np.random.default_rng(5).integers(0, len(world), 12)
    return idx,world.images(idx)

@pytest.mark.parametrize('name', ALL)
def test_the_same_pictures_everywhere(name, cache):
    assert hashlib.sha256(twelve(load_world(name, 16, cache))[1].tobytes()).hexdigest()[:16]==SEEN[name]

@pytest.mark.parametrize('name', ALL)
def test_one_contract(name, cache):
    "Index, factors, code and item name the same picture, whichever batch it comes in"
    w = load_world(name, 16, cache)
    idx,x = twelve(w)
    assert w.name==name and x.dtype==np.uint8 and x.shape==(12,*w.image_shape) and len(w)==len(w.space)
    f = w.space.to_factors(idx)
    assert (w.batch(f)==x).all() and all((w.images(i)[0]==o).all() for i,o in zip(idx, x))
    assert w.images(idx[:0]).shape==(0,*w.image_shape)
    img,code = w[int(idx[0])]
    assert (img==w.tensor(idx)[0]).all() and (w.render_codes(code[None])==img).all()
    assert img.min()>=-1 and img.max()<=1 and w.tensor(idx).shape==(12,w.n_channels,16,16)
    with pytest.raises(ValueError, match='`idx` should be whole numbers'): w.images([len(w)])
    with pytest.raises(ValueError, match='should be'): w.batch(f[:,1:])

BUILD = "import sys; from semistyle.data.open import load_world; load_world(sys.argv[1], 8, sys.argv[2])"
def test_two_processes_want_the_same_world(tmp_path):
    "One casts, the other waits and reads; both see the same; nothing is left but the file and its lock"
    args = [sys.executable, '-c', BUILD, 'shapes', str(tmp_path)]
    both = [subprocess.Popen(args, stderr=subprocess.PIPE, text=True, env=os.environ|ONE_THREAD) for _ in range(2)]
    said = [o.communicate(timeout=120)[1] for o in both]
    assert [o.returncode for o in both]==[0,0], said
    assert sum('casting 480 views' in o for o in said)==1, said
    assert sorted(o.suffix for o in tmp_path.iterdir())==['.lock','.npy']

@pytest.mark.parametrize('at', [10,.5,-3000,-1])
def test_a_damaged_cache_is_named_and_made_again(at, cache, tmp_path):
    "One flipped byte anywhere, in header, views, surfels or checksum: never a wrong picture"
    x = twelve(load_world('shapes', 16, cache))[1]
    whole = next(cache.glob('shapes-16-*.npy'))
    good,copy = whole.read_bytes(),tmp_path/whole.name
    if at==.5: at = len(good)//2
    bad = bytearray(good); bad[at] ^= 1
    copy.write_bytes(bad)
    with pytest.warns(UserWarning, match=f'{copy.name} is damaged'): w = load_world('shapes', 16, tmp_path)
    assert copy.read_bytes()==good and (twelve(w)[1]==x).all()

def test_nowhere_to_keep_it(tmp_path):
    "A file stands where the folder should be: the world works all the same, and says how to do better"
    (tmp_path/'file').write_text('')
    with pytest.warns(UserWarning, match='SEMISTYLE_CACHE'): w = load_world('shapes', 8, tmp_path/'file')
    assert twelve(w)[1].any()

def test_a_second_opening_casts_nothing(cache, capfd):
    load_world('shapes', 16, cache)
    capfd.readouterr()
    load_world('shapes', 16, cache)
    assert 'casting' not in capfd.readouterr().err

def test_scream_needs_a_picture(tmp_path, monkeypatch):
    monkeypatch.delenv('SEMISTYLE_PICTURE', raising=False)
    with pytest.raises(ValueError, match='got none.*SEMISTYLE_PICTURE'): load_world('sprites-scream', 16)
    with pytest.raises(ValueError, match='nowhere.jpg'):
        load_world('sprites-scream', 16, picture=tmp_path/'nowhere.jpg')
    (tmp_path/'folder.jpg').mkdir()
    with pytest.raises(ValueError, match='folder.jpg'): load_world('sprites-scream', 16, picture=tmp_path/'folder.jpg')
    with pytest.raises(ValueError, match="for 'sprites'"): load_world('sprites', 16, picture='any.jpg')
    for mode in ('RGB','L','LA','P','CMYK','1'):
        path = tmp_path/f'a{mode}.tif'
        Image.new('RGB', (90,70), (200,40,90)).convert(mode).save(path)
        assert load_world('sprites-scream', 16, picture=path).images([0,9]).shape==(2,16,16,3)

def test_render_bench_for_every_world(tmp_path, cache, monkeypatch):
    "The command times any world, and refuses the one that lacks its picture"
    monkeypatch.delenv('SEMISTYLE_PICTURE', raising=False)
    for name in ('shapes','sprites-swirl'):
        r = run('semistyle_bench', 'render', '--world', name, '--resolution', 8, '--seconds', .1)
        assert r.code==0 and 'microseconds_per_image' in r.out, r.err
    refuses('semistyle_bench', 'render', '--world', 'sprites-scream', '--seconds', .1,
            says=['SEMISTYLE_PICTURE','sprites-swirl'])
    Image.new('RGB', (90,70), (200,40,90)).save(tmp_path/'a.png')
    monkeypatch.setenv('SEMISTYLE_PICTURE', str(tmp_path/'a.png'))
    assert run('semistyle_bench', 'render', '--world', 'sprites-scream', '--resolution', 8, '--seconds', .1).code==0
