"Two processes of their own on one thing: the same bits as one alone, or one clear refusal; and one of them killed in the middle."
import os,signal,subprocess,sys,time
import numpy as np,pytest
from commands import ONE_THREAD,run,start

pytestmark = pytest.mark.skipif(os.name!='posix', reason='processes are signalled')
MODEL = 'shapes-stylegan2-32'
SUBSPACE = f"""
import hashlib,sys
from semistyle.discover.subspace import informative_subspace
from semistyle.models.checkpoint import load_model
open(sys.argv[2], 'w').close()
s = informative_subspace(load_model('{MODEL}').generator, 60_000, cache=sys.argv[1] or None, progress=False)
print(hashlib.sha256(b''.join(o.numpy().tobytes() for o in (s.mean, s.eigenvalues, s.axes))).hexdigest())
"""
WORLD = """
import hashlib,sys
import numpy as np
from semistyle.data.open import load_world
open(sys.argv[2], 'w').close()
w = load_world('shapes', 12, sys.argv[1])
print(hashlib.sha256(w.images(np.arange(0, len(w), 997)).tobytes()).hexdigest())
"""

def python(code, *args):
    "Code in a process of its own, on one thread"
    return subprocess.Popen([sys.executable, '-W', 'ignore', '-c', code, *map(str, args)], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, env=os.environ | ONE_THREAD)

def said(ps):
    "What each process wrote at its end"
    ends = [p.communicate(timeout=300) for p in ps]
    assert [p.returncode for p in ps]==[0]*len(ps), ends
    return [o.strip() for o,_ in ends]

def files(home): return {o.relative_to(home):o.read_bytes() for o in home.rglob('*') if o.is_file()}

@pytest.mark.parametrize('code', [SUBSPACE, WORLD], ids=['subspace','geometry'])
def test_one_cache(code, tmp_path):
    "Three at once, then one more, have the bits of one alone; the cache is whole, and nothing lies beside it"
    alone, = said([python(code, tmp_path/'own', tmp_path/'x')])
    assert {*said([python(code, tmp_path/'c', tmp_path/f'{i}') for i in range(3)])}=={alone}
    whole = files(tmp_path/'c')
    assert said([python(code, tmp_path/'c', tmp_path/'x')])==[alone] and files(tmp_path/'c')==whole
    odd = [o for o in whole if '.new-' in str(o) or '.old-' in str(o) or o.suffix=='.tmp']
    assert not odd and {o for o in whole if o.suffix!='.lock'}=={o for o in files(tmp_path/'own') if o.suffix!='.lock'}

@pytest.mark.slow
@pytest.mark.parametrize('code', [SUBSPACE, WORLD], ids=['subspace','geometry'])
def test_one_cache_and_a_kill(code, tmp_path):
    "One is killed while it makes it: the other, which may be waiting for it, and the next have the bits of one alone"
    alone, = said([python(code, tmp_path/'own', tmp_path/'x')])
    for i,after in enumerate((0,.05,.2)):
        one = python(code, tmp_path/'c', tmp_path/f'{i}')
        while not (tmp_path/f'{i}').exists(): assert one.poll() is None, one.stderr.read(); time.sleep(.01)
        other = python(code, tmp_path/'c', tmp_path/'y')
        time.sleep(after); one.send_signal(signal.SIGKILL); one.wait()
        assert said([other])==[alone]
    assert said([python(code, tmp_path/'c', tmp_path/'x')])==[alone]

def test_one_store_packed_by_two(tmp_path):
    "By command: one packs it, the other has the same store or is told in one sentence; never a blend"
    args = ['pack','sprites','--resolution',8,'--workers',1]
    assert run('semistyle_data', *args, '--out', tmp_path/'alone').code==0
    ps = [start('semistyle_data', *args, '--out', tmp_path/'both') for _ in range(2)]
    ends = [p.communicate(timeout=300)[1] for p in ps]
    assert 0 in [p.returncode for p in ps], ends
    for p,err in zip(ps, ends):
        assert p.returncode==0 or p.returncode==2 and 'is being packed by another process: wait for it' in err and 'Traceback' not in err, err
    assert files(tmp_path/'both')==files(tmp_path/'alone') and {o.name for o in tmp_path.iterdir()}=={'alone','both'}

def test_one_store_read_by_two_trainings(tmp_path):
    "Each has the bits of a training alone"
    assert run('semistyle_data', 'pack', 'sprites', '--resolution', 16, '--workers', 1, '--out', tmp_path/'s').code==0
    args = ['--world', tmp_path/'s', '--preset', 'robot-16', '--kimg', .08, '--threads', 1]
    whole = files(tmp_path/'s')
    def trained(names):
        ps = [start('semistyle_train', *args, '--out', tmp_path/o) for o in names]
        said(ps)
        return [{k:v for k,v in files(tmp_path/o/'model').items() if k.suffix=='.safetensors'} for o in names]
    a,b = trained(['a','b']); c, = trained(['c'])
    assert a==b==c and a and files(tmp_path/'s')==whole

def test_one_model_searched_by_two(tmp_path):
    "Discoveries of one model into two folders are equal; into one folder, the second is refused"
    args = [MODEL, '--method', 'sefa', '--directions', 3, '--samples', 2000, '--n', 2, '--distinct', 0]
    said([start('semistyle_discover', *args, '--out', tmp_path/o) for o in 'ab'])
    name = 'directions/directions.safetensors'
    assert (tmp_path/'a'/name).read_bytes()==(tmp_path/'b'/name).read_bytes()
    ps = [start('semistyle_discover', *args, '--out', tmp_path/'c') for _ in range(2)]
    ends = [p.communicate(timeout=300)[1] for p in ps]
    assert 0 in [p.returncode for p in ps] and all(p.returncode==0 or "should be in no other process's use" in e
                                                   for p,e in zip(ps, ends)), ends
    assert (tmp_path/'c'/name).read_bytes()==(tmp_path/'a'/name).read_bytes()
