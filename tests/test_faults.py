"Bad input and a bad disk: exit code 2, one sentence that names what was wanted, what came and a way out, and nothing lost."
import errno,json,os,pickle,shutil,subprocess,sys
from pathlib import Path
import pytest
from commands import TINY,ONE_THREAD,refuses,run,script

@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    "A finished tiny run"
    out = tmp_path_factory.mktemp('runs')/'a'
    r = run('semistyle_train', *TINY, '--out', out)
    assert r.code==0, r.err
    return out

@pytest.fixture
def broken(trained, tmp_path): return Path(shutil.copytree(trained, tmp_path/'a'))

def flip(path, at=-7):
    "Flip one bit of a file"
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)

def snapshot(out): return {o.relative_to(out):o.read_bytes() for o in out.rglob('*') if o.is_file()}

SPRITES = ['--world', 'sprites', '--preset', 'robot-16']
WRONG = {
    'resolution':        ([*SPRITES, '--resolution', '48'],
                          ['resolution should be 16', 'got 48', 'choose another preset']),
    'no power of two':   ([*SPRITES, '--set', 'img_resolution=48'], ['power of two', 'got 48', 'resize or pad']),
    'no label':          ([*SPRITES, '--eta', '1e-9'], ['at least one label', 'got 1e-09', 'give m/737280']),
    'zero eta':          ([*SPRITES, '--eta', '0'], ['at least one label', 'got 0', 'give more']),
    'negative eta':      ([*SPRITES, '--eta', '-0.5'], ['at least 0', 'got -0.5']),
    'preset':            (['--preset', 'robot-33'], ['preset should be one of', 'robot-32', "got 'robot-33'"]),
    'part of a preset':  (['--preset', 'infogan-cr'], ['preset should be one of', 'choose infogan-cr-robot-64 or']),
    'a VAE as a preset': (['--preset', 'factor-vae'], ['trained by `semistyle_distill robot --method factor-vae`']),
    'one part to share': (['--preset', 'infogan-cr-robot-32', '--set', 'continuous=1'],
                          ['continuous should be at least 2 for cr_weight', 'got 1']),
    'world':             (['--world', 'mars'], ['data set should be one of', 'sprites', "got 'mars'"]),
    'no such setting':   ([*SPRITES, '--set', 'colour=3'], ['a setting should be one of', 'lr_g', "got 'colour=3'"]),
    'kind of value':     ([*SPRITES, '--set', 'bs=many'], ['bs should be like 8', "got 'many'"]),
    'no images':         ([*SPRITES, '--kimg', '0'], ['kimg should be at least', 'got 0']),
    'set twice':         ([*SPRITES, '--set', 'bs=8', '--set', 'lr_g=1'], ['set should be given once']),
    'negative seed':     ([*SPRITES, '--seed', '-1'], ['seed should be at least 0', 'got -1'])}

@pytest.mark.parametrize('what', WRONG)
def test_train_refuses(what, tmp_path):
    "Nothing of a refused run is left but, at most, an empty folder, so that the next attempt can have it"
    args,says = WRONG[what]
    refuses('semistyle_train', *args, '--out', tmp_path/'x', says=says)
    assert not (tmp_path/'x').exists() or not list((tmp_path/'x').iterdir())

def test_a_folder_that_is_taken(trained, tmp_path):
    "A run does not write over another one, or over anything else"
    was = snapshot(trained)
    refuses('semistyle_train', *TINY, '--out', trained,
            says=['should be new or empty', 'holds', 'choose another folder'])
    assert snapshot(trained)==was
    (tmp_path/'thesis.txt').write_text('all of it')
    for name in ('semistyle_train','semistyle_demo'): refuses(name, '--out', tmp_path, says=['holds thesis.txt'])
    assert (tmp_path/'thesis.txt').read_text()=='all of it'

def test_a_run_that_disagrees(trained):
    "A resumed run is the one that was started: what disagrees is named"
    was = snapshot(trained)
    for arg,name in (('--kimg','kimg'), ('--seed','seed'), ('--eta','eta'), ('--resolution','img_resolution')):
        refuses('semistyle_train', '--out', trained, '--resume', arg, 7,
                says=[f'{name} should be', 'got 7', 'leave it out'])
    refuses('semistyle_train', '--out', trained, '--resume', '--preset', 'robot-32', says=['preset should be robot-16'])
    assert snapshot(trained)==was

def test_a_place_that_cannot_be_written(trained, tmp_path):
    "A file where a folder should be; a file system that takes no files"
    (tmp_path/'f').write_text('')
    places = [tmp_path/'f'/'x'] + [Path('/sys/semistyle')]*sys.platform.startswith('linux')
    for p in places:
        refuses('semistyle_train', *TINY, '--out', p, says=['could not write', str(p), 'choose'])
        refuses('semistyle_show', trained/'model', '--kind', 'grid', '--out', p/'a.png',
                says=['could not write', 'choose'])
        refuses('semistyle_eval', trained/'model', '--out', p/'a.json', says=['could not write', 'choose'])
        refuses('semistyle_demo', '--out', p, says=['could not write', 'choose'])
    refuses('semistyle_train', *TINY, '--out', tmp_path/'f', says=['should be a folder, is a file'])

@pytest.mark.skipif(os.name!='posix' or os.geteuid()==0, reason='the superuser may write everywhere')
def test_a_folder_without_the_right_to_write(tmp_path):
    tmp_path.chmod(0o555)
    refuses('semistyle_train', *TINY, '--out', tmp_path/'x',
            says=['could not write', 'permission was denied', 'choose a folder'])
    tmp_path.chmod(0o755)

HALF = {
    'no run.json':     (lambda o: (o/'run.json').unlink(), ['run.json is missing', 'check the path']),
    'torn run.json':   (lambda o: (o/'run.json').write_text('{"world":'),
                        ['run.json should be JSON', 'restore it from a copy']),
    'empty run.json':  (lambda o: (o/'run.json').write_text('{}'), ['should hold world, preset', 'start a new run']),
    'no state file':   (lambda o: (o/'state'/'training_state.safetensors').unlink(),
                        ['is missing', 'copy the whole folder']),
    'no state record': (lambda o: (o/'state'/'training_state.json').unlink(),
                        ['should hold training_state.json', 'give a folder']),
    'flipped state':   (lambda o: flip(o/'state'/'training_state.safetensors'),
                        ['checksum differs', 'restore it from a copy']),
    'torn state':      (lambda o: os.truncate(o/'state'/'training_state.safetensors', 1000),
                        ['should have', 'has 1,000', 'restore it']),
    'torn log':        (lambda o: (o/'log.csv').write_text('kimg,d\nx,y\n'),
                        ['should be a log of losses', 'move it away'])}

@pytest.mark.parametrize('what', HALF)
def test_resume_from_half_a_folder(what, broken):
    "A damaged run is not gone on with; what is whole in it stays as it is"
    damage,says = HALF[what]
    if what=='torn log': (broken/'state').rename(broken/'old')  # the log is read when there is something to train
    damage(broken)
    was = snapshot(broken)
    refuses('semistyle_train', '--out', broken, '--resume', says=says)
    assert snapshot(broken)==was

def edit(path, **kwargs): path.write_text(json.dumps(json.loads(path.read_text()) | kwargs))

CHECKPOINTS = {
    'other version':  (lambda m: edit(m/'config.json', version=99), ['format version 1, is of 99', 'save it anew']),
    'edited':         (lambda m: edit(m/'config.json', semistyle='0.0.0'),
                       ['checksum differs', 'restore it from a copy']),
    'flipped byte':   (lambda m: flip(m/'generator.safetensors'),
                       ['generator.safetensors', 'checksum differs', 'restore it']),
    'flipped header': (lambda m: flip(m/'generator.safetensors', 20), ['generator.safetensors', 'checksum differs']),
    'torn':           (lambda m: os.truncate(m/'generator.safetensors', 99),
                       ['should have', 'has 99', 'restore it from a copy']),
    'missing file':   (lambda m: (m/'discriminator.safetensors').unlink(), ['is missing', 'copy the whole folder']),
    'no config':      (lambda m: (m/'config.json').unlink(),
                       ['should hold config.json', 'give a folder made by semistyle'])}

@pytest.mark.parametrize('what', CHECKPOINTS)
def test_damaged_model(what, broken, tmp_path):
    damage,says = CHECKPOINTS[what]
    damage(broken/'model')
    refuses('semistyle_show', broken/'model', '--kind', 'grid', '--out', tmp_path/'a.png', says=says)
    assert not (tmp_path/'a.png').exists()

def test_other_state_version(broken):
    edit(broken/'state'/'training_state.json', version=99)
    refuses('semistyle_train', '--out', broken, '--resume', says=['format version 1, is of 99'])

class Bomb:
    def __reduce__(self): return os.mkdir, (os.environ['BOMB'],)

@pytest.mark.parametrize('name', ['model.pkl','network-snapshot.pt','no_suffix'])
def test_pickles_are_not_read(name, tmp_path, monkeypatch):
    "Neither by name nor by content is a pickle opened, alone or in a folder"
    monkeypatch.setenv('BOMB', str(tmp_path/'bang'))
    folder = tmp_path/'folder'
    folder.mkdir()
    (folder/name).write_bytes(pickle.dumps(Bomb()))
    for path in (folder/name, folder):
        for cmd in ('semistyle_eval','semistyle_show'):
            refuses(cmd, path, says=['pickle', 'give a folder made by semistyle'])
    assert not (tmp_path/'bang').exists()

def test_other_arguments(trained, tmp_path):
    "What the other commands are given"
    model = trained/'model'
    for name in ('semistyle_eval','semistyle_show'):
        refuses(name, 'robot-999', says=['model should be one of', "got 'robot-999'"])
        refuses(name, tmp_path/'nowhere', says=['should be a folder that holds config.json', 'is missing'])
        refuses(name, model, '--world', 'mars', says=['data set should be one of', "got 'mars'"])
        refuses(name, model, '--world', 'robot', says=['factors of the model'])
    refuses('semistyle_eval', model, '--n', 3, says=['n should be at least 100, got 3'])
    refuses('semistyle_eval', model, '--seeds', 0, says=['seeds should be at least 1, got 0'])
    refuses('semistyle_eval', model, '--oracle', model, says=['should hold an oracle', 'train one'])
    refuses('semistyle_show', model, '--kind', 'faces', says=['kind should be one of grid, traversals', "got 'faces'"])
    refuses('semistyle_show', model, '--kind', 'grid', '--out', tmp_path/'a.jpg', says=['out should end in .png'])
    refuses('semistyle_show', model, '--out', tmp_path, says=['out should end in .png or .gif'])
    refuses('semistyle_bench', 'everything', says=['what should be train, render, metrics, data, discover, memory, '
                                                   'processes, gpu or pkl'])
    refuses('semistyle_bench', 'train', '--resolution', 48, says=['preset should be one of'])
    refuses('semistyle_demo', '--minutes', .1, '--out', tmp_path/'d', says=['minutes should be at least 0.5, got 0.1'])
    refuses('semistyle_demo', '--eta', 0, '--out', tmp_path/'d', says=['at least one label'])
    assert not list(tmp_path.iterdir())

def test_a_run_that_diverges(tmp_path):
    "Learning rates that no network survives: the term that blew up is named, and what to try"
    args = [*TINY, '--set', 'lr_g=1e6 lr_d=1e6', '--out', tmp_path/'a']
    refuses('semistyle_train', *args, says=['became', 'the weights of batch', 'half the learning rates'])

def test_words_that_are_no_numbers():
    "What the parser itself refuses has exit code 2 as well"
    r = run('semistyle_train', '--kimg', 'many')
    assert r.code==2 and "invalid float value: 'many'" in r.err

def test_full_disk(trained, tmp_path, monkeypatch):
    "The disk is full at the third save: the second is whole, and with more space the run ends as it would have"
    import semistyle.core as core
    from semistyle.models.checkpoint import load_model,load_state
    write,saves = core._write_sync,[]
    def full(path, data):
        if path.name=='training_state.safetensors' or '.training_state.safetensors.' in path.name: saves.append(path)
        if len(saves)<3: return write(path, data)
        write(path, data[:len(data)//2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    out = tmp_path/'a'
    with monkeypatch.context() as m:
        m.setattr(core, '_write_sync', full)
        refuses('semistyle_train', *TINY, '--save', .08, '--out', out,
                says=['could not write', 'the disk is full', 'free some space'])
    assert {o.name for o in out.iterdir()}=={o.name for o in trained.iterdir()}  # no half-written folder beside
    assert load_state(out/'state')[1]['n_batches']==20 and load_model(out/'model').config['kimg']==pytest.approx(.16)
    r = run('semistyle_train', '--out', out, '--resume')
    assert r.code==0, r.err
    for name in ('generator','discriminator'):
        assert (out/'model'/f'{name}.safetensors').read_bytes()==(trained/'model'/f'{name}.safetensors').read_bytes()

@pytest.mark.slow
def test_a_disk_that_is_really_full(tmp_path):
    "The same on a file system with room for one state but not for two, and on one that may only be read"
    from semistyle.models.checkpoint import load_model,load_state
    disk,kept = tmp_path/'disk',tmp_path/'kept'
    disk.mkdir(); kept.mkdir()
    if not shutil.which('unshare') or subprocess.run(['unshare','-rm','mount','-t','tmpfs','tmpfs',disk]).returncode:
        pytest.skip('this machine lets nobody mount a file system')
    cmd = f'{sys.executable} {script("semistyle_train")} {" ".join(TINY)} --save .08 --out {disk}/a'
    for opts,says in (('size=1200k','the disk is full: free some space'),
                      ('ro','the disk is read-only: choose a folder')):
        sh = f'mount -t tmpfs -o {opts} tmpfs {disk} && {cmd}; code=$?; cp -r {disk}/. {kept}; exit $code'
        p = subprocess.run(['unshare','-rm','sh','-c',sh], capture_output=True, text=True, env=os.environ | ONE_THREAD)
        assert p.returncode==2 and says in p.stderr.splitlines()[-1] and 'Traceback' not in p.stderr, p.stderr
    assert load_state(kept/'a'/'state')[1]['n_batches']==10 and load_model(kept/'a'/'model')
    assert not [o for o in (kept/'a').iterdir() if o.name[0]=='.']

def test_a_clock_that_jumps(tmp_path, monkeypatch):
    "By months, to either side, at every look: a run with minutes ends when its own time is over, and its log counts seconds that passed"
    import csv,random,time
    real,rng = time.time,random.Random(0)
    monkeypatch.setattr(time, 'time', lambda: real()+rng.choice((-1,1))*1e7)
    start = time.monotonic()
    r = run('semistyle_train', *TINY, '--save', .04, '--threads', 1, '--out', tmp_path/'a')
    seconds = [float(o['seconds']) for o in csv.DictReader(open(tmp_path/'a'/'log.csv'))]
    assert r.code==0 and seconds==sorted(seconds) and 0<=seconds[0] and seconds[-1]<time.monotonic()-start, (r.err, seconds)
    r = run('semistyle_train', *SPRITES, '--minutes', .05, '--threads', 1, '--out', tmp_path/'b')
    assert r.code==0 and time.monotonic()-start<300, r.err
    assert not [o for o in (tmp_path/'a').iterdir() if o.name[:1]=='.']

def test_only_leftovers_ask_the_wall_clock():
    "It may jump, and goes on while a machine sleeps; `time.monotonic` does neither on Linux. Files have no other time, so what is left of saves is told old by it"
    from conftest import ROOT
    asks = [f'{p.name}: {o.strip()}' for p in (ROOT/'semistyle').rglob('*.py')
            for o in p.read_text().split('\n') if 'time.time(' in o or 'datetime' in o and o!='from datetime import timedelta' or 'utcnow' in o]
    assert len(asks)==1 and asks[0].startswith('core.py: if mine is False or time.time()-o.stat().st_mtime <= (3600'), asks

def test_ten_thousand_folders_beside_each_other(trained, tmp_path):
    "What looks at a folder's neighbours stays a matter of milliseconds"
    import time
    from semistyle.core import atomic_folder,settle_folder,write_atomic
    from semistyle.models.checkpoint import load_model
    home = tmp_path/'runs'; home.mkdir()
    shutil.copytree(trained, home/'mine')
    def seconds(f): start = time.process_time(); f(); return time.process_time()-start
    def save():
        with atomic_folder(home/'saved') as new: write_atomic(new/'a.txt', 'a')
    work = dict(load=lambda: load_model(home/'mine'/'model'), settle=lambda: settle_folder(home/'mine'), save=save,
                file=lambda: write_atomic(home/'r.json', '{}'))
    before = {k:min(seconds(f) for _ in range(3)) for k,f in work.items()}
    for i in range(10_000): (home/f'run-{i}').mkdir(); (home/f'run-{i}'/'run.json').touch()
    after = {k:min(seconds(f) for _ in range(3)) for k,f in work.items()}
    print({k:(before[k], after[k]) for k in work})
    assert all(after[k]<before[k]+.1 for k in work), (before, after)
    cpu = seconds(lambda: refuses('semistyle_train', *TINY, '--out', home, says=['should be new or empty']))
    cpu += seconds(lambda: refuses('semistyle_show', home, says=['should hold config.json']))
    assert cpu<5, cpu
    r = run('semistyle_train', *SPRITES, '--kimg', .04, '--out', home/'new'); assert r.code==0, r.err

def test_pictures_in_ten_thousand_folders(tmp_path):
    "One picture in each, like all of them in one folder: the same store, and a training; labels by folder are refused, as a class would have one picture"
    import io,time
    from PIL import Image
    for i in range(10_000):
        data = io.BytesIO(); Image.new('RGB', (8,8), (i%256, i//256, 9)).save(data, 'BMP')
        for at in (tmp_path/'many'/f'c{i:05}'/'a.bmp', tmp_path/'one'/f'c{i:05}.bmp'):
            at.parent.mkdir(parents=True, exist_ok=True); at.write_bytes(data.getvalue())
    start = time.process_time()
    for o in ('many','one'):
        r = run('semistyle_data', 'pack', tmp_path/o, '--workers', 1, '--out', tmp_path/f'{o}-store')
        assert r.code==0, r.err
    assert (tmp_path/'many-store'/'images.npy').read_bytes()==(tmp_path/'one-store'/'images.npy').read_bytes()
    refuses('semistyle_data', 'info', tmp_path/'many', '--labels', 'folders',
            says=['should have at most 64 classes', 'has 10,000'])
    r = run('semistyle_train', '--world', tmp_path/'many', '--preset', 'world-16', '--set', 'img_resolution=8',
            '--kimg', .016, '--out', tmp_path/'run')
    assert r.code==0, r.err
    assert time.process_time()-start<60
