"A run that is killed or interrupted, and resumed, ends as if nothing had happened: bit for bit."
import os,random,signal,subprocess,sys,time
import pytest,torch
from commands import ONE_THREAD,TINY,refuses,run,start
from conftest import ROOT

ROBOT = ['--preset', 'robot-16', '--kimg', '2']  # 250 batches of the robot at 16x16

def train(out, *args):
    torch.set_num_threads(1)
    r = run('semistyle_train', *args, '--out', out)
    assert r.code==0, r.err

@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    "The run that nobody disturbs"
    out = tmp_path_factory.mktemp('runs')/'whole'
    train(out, *TINY)
    return out

def batches(out):
    "Batches in the saved state; `None` while there is none"
    from semistyle.models.checkpoint import load_state
    try: return load_state(out/'state')[1]['n_batches']
    except ValueError: return None

def disturbed(out, sign, seed, args):
    "Start a run, wait for its first save and then for a random moment, send the signal; the process and its errors"
    wait = random.Random(seed).uniform(0, 1)
    print(f'seed {seed}: {sign.name} {wait:.3f} s after the first save')
    def saved():
        try: return (out/'state'/'training_state.json').stat().st_mtime_ns
        except OSError: return None
    before = saved()
    p = start('semistyle_train', *args, '--save', .04, '--out', out)
    end = time.time()+300
    while saved() in (None,before):
        assert p.poll() is None and time.time()<end, p.stderr.read()
        time.sleep(.01)
    time.sleep(wait)
    p.send_signal(sign)
    return p,p.communicate(timeout=120)[1]

def same(a, b):
    "Everything the state holds is equal: weights, averages, both optimisers, random streams, the film strip"
    from semistyle.models.checkpoint import load_state
    (ta,ma),(tb,mb) = [load_state(o/'state') for o in (a,b)]
    assert ma==mb and ta.keys()==tb.keys()
    assert not [k for k in ta if not torch.equal(ta[k].nan_to_num(), tb[k].nan_to_num())]
    for name in ('generator','discriminator'):
        assert (a/'model'/f'{name}.safetensors').read_bytes()==(b/'model'/f'{name}.safetensors').read_bytes()

def test_sigkill(whole, tmp_path):
    "Killed with SIGKILL at a random moment"
    out,seed = tmp_path/'killed',time.time_ns()
    p,_ = disturbed(out, signal.SIGKILL, seed, TINY)
    assert p.returncode==-signal.SIGKILL
    print(f'killed after at least {batches(out)} of 50 batches')
    train(out, '--resume')
    same(whole, out)

def test_ctrl_c(whole, tmp_path):
    "Ctrl-C: exit code 130, a model to load, a state to go on from"
    from semistyle.models.checkpoint import load_model
    out = tmp_path/'stopped'
    p,err = disturbed(out, signal.SIGINT, time.time_ns(), TINY)
    assert p.returncode==130, err
    assert 'interrupted: what was computed is in' in err and 'Traceback' not in err
    assert load_model(out/'model').config['kimg']==pytest.approx(.008*batches(out))
    train(out, '--resume')
    same(whole, out)

@pytest.mark.slow
@pytest.mark.parametrize('seed', range(3))
def test_sigkill_again_and_again(tmp_path, seed):
    "The robot, killed three times on the way"
    whole,out = tmp_path/'whole',tmp_path/'killed'
    train(whole, *ROBOT, '--seed', seed)
    args = [*ROBOT, '--seed', seed]
    for i in range(3):
        p,_ = disturbed(out, signal.SIGKILL, 10*seed+i, args)
        assert p.returncode==-signal.SIGKILL, 'it ended before it was killed'
        args = ['--resume']
    train(out, '--resume')
    same(whole, out)

@pytest.mark.slow
@pytest.mark.parametrize('kind', ['train','photos','plain','pack','discover','edit','distill','eval','show','import'])
def test_killed_at_chosen_moments(kind):
    "Before and after renames, syncs and deletes, the last ones of a run among them: nothing is lost, and nothing is left over"
    p = subprocess.run([sys.executable, ROOT/'tools'/'torture.py', kind, '--moments', '2', '--times', '2'],
                       capture_output=True, text=True, env=os.environ | ONE_THREAD)
    assert p.returncode==0 and 'nothing was lost' in p.stdout, p.stdout+p.stderr

@pytest.mark.slow
def test_twenty_times_cut_off(tmp_path):
    "A run that is cut off 20 times, each time some batches after its last save: weights and log as of one that was not, memory flat"
    import resource
    from fastai.callback.core import Callback
    from semistyle.runs.train import plan_run,read_log,train_run
    class Cut(Exception): pass
    class CutAt(Callback):
        order = 95
        def __init__(self, n): self.n = n
        def after_batch(self):
            if self.n_batches>=self.n: raise Cut('here')
    def lines(out): return [{k:v for k,v in o.items() if k!='seconds'} for o in read_log(out/'log.csv')]
    torch.set_num_threads(1)
    whole,out,most = tmp_path/'whole',tmp_path/'parts',[]
    new = dict(world='sprites', preset='robot-16', kimg=3.4)
    train_run(whole, plan_run(whole, **new), progress=False)
    rng = random.Random(0)
    for i in range(1, 21):
        run_ = plan_run(out, resume=True) if (out/'state').exists() else plan_run(out, **new)
        with pytest.raises(Cut):
            train_run(out, run_, save_kimg=.08, progress=False, cbs=[CutAt(20*i+rng.randint(1, 9))])
        most.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    train_run(out, plan_run(out, resume=True), progress=False)
    same(whole, out)
    assert lines(whole)==lines(out) and len(lines(out))==425//16
    print(f'peak memory {most[0]/1000:.0f} MB after the first part, {most[-1]/1000:.0f} MB after the last')
    assert most[-1]<1.1*most[4]

BATCHES = 2000

@pytest.mark.slow
def test_memory_and_pace_over_thousands_of_batches(tmp_path):
    "In two parts, the second resumed: no interval grows by half a kilobyte a batch, as a median, and the last fifth is as fast as the first; a leak of a kilobyte is seen"
    import ctypes,gc,statistics
    from fastai.callback.core import Callback
    from semistyle.runs.train import plan_run,train_run
    class Cut(Exception): pass
    class Watch(Callback):
        order = 95
        def __init__(self, stop, every, leak=0):
            self.stop,self.every,self.leak,self.kb,self.times,self.kept,self.last = stop,every,leak,[],[],[],None
        def after_batch(self):
            if self.last is not None: self.times.append(time.process_time()-self.last)
            if self.leak: self.kept.append(bytearray(self.leak))
            if self.n_batches%self.every==0:
                gc.collect(); ctypes.CDLL(None).malloc_trim(0)
                self.kb.append(int(open('/proc/self/statm').read().split()[1])*os.sysconf('SC_PAGE_SIZE')/1024)
            if self.n_batches>=self.stop: raise Cut('here')
            self.last = time.process_time()
    if not sys.platform.startswith('linux'): pytest.skip('memory is read from /proc')
    torch.set_num_threads(1)
    out,parts,nets = tmp_path/'a',[],[f'{o}_args.channel_{k}' for o in 'gd' for k in ('base=128','max=16')]
    for stop,leak in ((BATCHES//2,0), (BATCHES,0), (BATCHES*3//2,1024)):
        run_ = plan_run(out, resume=True) if out.exists() else plan_run(out, world='sprites', preset='robot-16',
                                                                        kimg=BATCHES*.016, items=nets)
        parts.append(Watch(stop, BATCHES//16, leak))
        with pytest.raises(Cut): train_run(out, run_, save_kimg=BATCHES*.004, progress=False, cbs=[parts[-1]])
    def growth(o): return statistics.median(b-a for a,b in zip(o.kb, o.kb[1:]))/o.every
    def pace(times): return statistics.median(times)
    fifth = BATCHES//10
    print([f'{growth(o):.2f} KB a batch' for o in parts],
          f'{1000*pace(parts[0].times[:fifth]):.1f} ms a batch at first, '
          f'{1000*pace(parts[1].times[-fifth:]):.1f} at last')
    assert max(growth(o) for o in parts[:2])<.5<.9<growth(parts[2])
    assert pace(parts[1].times[-fifth:])<1.25*pace(parts[0].times[:fifth])

def test_sigterm(whole, tmp_path):
    "What a system sends to end a program is obeyed like Ctrl-C"
    out = tmp_path/'ended'
    p,err = disturbed(out, signal.SIGTERM, time.time_ns(), TINY)
    assert p.returncode==130 and 'interrupted: what was computed is in' in err and 'Traceback' not in err, err
    train(out, '--resume')
    same(whole, out)

def test_two_processes_in_one_folder(tmp_path):
    "The second is refused in one sentence, and the first goes on"
    out = tmp_path/'a'
    p = start('semistyle_train', *ROBOT, '--save', .04, '--out', out)
    while not (out/'state').exists(): assert p.poll() is None, p.stderr.read(); time.sleep(.05)
    refuses('semistyle_train', '--out', out, '--resume',
            says=["should be in no other process's use", 'choose another folder'])
    p.send_signal(signal.SIGINT)
    assert p.wait(120)==130
