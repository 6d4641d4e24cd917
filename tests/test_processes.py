"Several processes train the run that one trains: gradients, losses, streams; killed, stopped, refused, resumed with another number of them."
import json,os,re,signal,socket,subprocess,sys,time
from pathlib import Path
import pytest,torch
from commands import ONE_THREAD,TINY
from test_resume import batches,same

GRADS = """
import sys,torch
from safetensors.torch import save_file
from semistyle.core import set_seed
from semistyle.data.open import load_world
from semistyle.processes import joined,launched,rank
from semistyle.training.presets import gan_learner
torch.set_num_threads(1)
world,seen = load_world('sprites', 16),{}
settings = dict(semi=('robot-16', dict(grow_share=0., style_mixing=.9, image_weight=.5, kernels=False)), stylegan2=('world-16', dict(style_mixing=.9)))
small = {o+'_args':dict(channel_base=64, channel_max=8, **(dict(z_dim=8, w_dim=16, mapping_layers=2) if o=='g' else {})) for o in 'gd'}
def note(kind, n, passes):
    set_seed(0)
    preset,how = settings[kind]
    learn = gan_learner(world, preset, accumulate=passes, **how, **small)
    learn.dtype,step,was = torch.float32,0,learn.optimise
    def optimise(name, loss):
        nonlocal step
        was(name, loss); step += 1
        seen.update({f'{kind}{n}{passes}.{step}.{name}.{i}':p.grad.clone() for i,p in enumerate(learn.opt[name].param_groups[0]['params']) if p.grad is not None})
    learn.optimise = optimise
    learn.fit_kimg(.024)
    also = {f'losses.{k}':v for k,v in learn.losses.items()} | dict(w_avg=learn.generator.w_avg, stream=torch.get_rng_state(), ema=learn.generator_ema.g_ema.w_avg)
    seen.update({f'{kind}{n}{passes}.{k}':v for k,v in also.items()})
if launched()[0]==0:
    for o in 'semi','stylegan2': note(o, 1, 1); note(o, 1, 2)
with joined(4):
    for o in 'semi','stylegan2': note(o, 2, 1)
    if not rank(): save_file({k:v.contiguous() for k,v in seen.items()}, sys.argv[1])
"""

def torchrun(n, *args, **kwargs):
    "Start processes of a module or a script"
    cmd = [sys.executable,'-m','torch.distributed.run','--standalone','--nproc_per_node',str(n),*map(str, args)]
    return subprocess.Popen(cmd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env=os.environ | ONE_THREAD | kwargs)

def ended(p):
    "What a started process has written"
    out,err = p.communicate(timeout=300)
    return p.returncode,out,err

def train(n, out, *args):
    code,_,err = ended(torchrun(n, '-m', 'semistyle.train', *args, '--out', out))
    assert code==0, err[-2000:]

@pytest.fixture(scope='module')
def grads(tmp_path_factory):
    "Gradients of every step of three batches, by kind, processes and passes"
    from safetensors.torch import load_file
    from semistyle.training.learner import under
    tmp = tmp_path_factory.mktemp('grads')
    (tmp/'grads.py').write_text(GRADS)
    code,_,err = ended(torchrun(2, tmp/'grads.py', tmp/'seen.safetensors'))
    assert code==0, err[-2000:]
    made = load_file(tmp/'seen.safetensors')
    return lambda kind, n, passes: under(f'{kind}{n}{passes}', made)

def furthest(a, b, names):
    "The largest difference of any of some tensors, relative to the largest number in it"
    return max(float((a[k].double()-b[k].double()).abs().max()/a[k].double().abs().max().clamp_min(1e-6))
               for k in names)

@pytest.mark.parametrize('kind,n,passes', [('semi',2,1),('stylegan2',2,1),('semi',1,2)])
def test_one_process_equals_two(grads, kind, n, passes):
    "Every step's gradients, lazy ones too, to rounding; the streams to the bit"
    one,many = grads(kind, 1, 1),grads(kind, n, passes)
    assert one.keys()==many.keys() and torch.equal(one['stream'], many['stream'])
    first = [k for k in one if re.match(r'[1-4]\.', k)]
    assert len({k.split('.')[0] for k in first})>=3
    assert furthest(one, many, [k for k in first if k[0]=='1'])<5e-5
    # after a step rounding has grown
    assert furthest(one, many, first)<2e-3 and furthest(one, many, ['w_avg','ema'])<1e-3
    assert furthest(one, many, [k for k in one if k.startswith('losses.')])<5e-3

def test_path_lengths_over_passes(grads):
    "The goal of path lengths moves to a pass' own mean: nearly the same gradients"
    one,many = grads('stylegan2', 1, 1),grads('stylegan2', 1, 2)
    assert torch.equal(one['stream'], many['stream'])
    assert furthest(one, many, [k for k in one if re.match(r'[1-4]\.', k)])<.1

@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    "The run of two processes that nobody disturbs"
    out = tmp_path_factory.mktemp('runs')/'whole'
    train(2, out, *TINY)
    return out

def said(err, name='semistyle_train'):
    "What commands have said at their end"
    return re.findall(rf'{name}(?: \(process \d\))?: (.*)', err, re.M)

def workers(p):
    "Process ids of a launcher's processes, by rank"
    found = {}
    for o in Path('/proc').glob('[0-9]*'):
        try:
            if int((o/'stat').read_text().rpartition(')')[2].split()[1])!=p.pid: continue
            env = dict(e.split('=', 1) for e in (o/'environ').read_text().split('\0') if '=' in e)
        except OSError: continue
        if 'RANK' in env: found[int(env['RANK'])] = int(o.name)
    return found

def underway(out, *args):
    "A run of two processes that has saved once; its launcher"
    p = torchrun(2, '-m', 'semistyle.train', *args, '--save', .04, '--out', out)
    end = time.time()+200
    while not (out/'state'/'training_state.json').exists():
        assert p.poll() is None and time.time()<end, p.stderr.read()
        time.sleep(.01)
    return p

@pytest.mark.skipif(not Path('/proc').exists(), reason='asks /proc which processes a launcher has started')
@pytest.mark.parametrize('rank', [1,pytest.param(0, marks=pytest.mark.slow)])
def test_a_killed_process_ends_the_run(whole, tmp_path, rank):
    "With a sentence of another one; resumed with as many processes it ends with the same bits"
    out = tmp_path/'run'
    p = underway(out, *TINY)
    os.kill(workers(p)[rank], signal.SIGKILL)
    code,_,err = ended(p)
    assert code and any(re.match(rf'process {1-rank} of 2 has lost another one .* go on from the last save', o)
                        for o in said(err)), err[-3000:]
    train(2, out, '--resume')
    same(whole, out)

def test_resumed_with_another_number(whole, tmp_path):
    "One process begins, two go on, and one ends: clock, streams and order of the data as of an undisturbed run, losses to rounding"
    from semistyle.models.checkpoint import load_state
    from semistyle.runs.train import read_log
    out = tmp_path/'parts'
    p = underway(out, *TINY)
    p.send_signal(signal.SIGTERM)                                                     # the launcher passes it on
    code,_,err = ended(p)
    assert code and 'interrupted: what was computed is in' in err, err[-2000:]
    train(1, out, '--resume')
    (a,ma),(b,mb) = [load_state(o/'state') for o in (whole,out)]
    assert {k:ma[k] for k in ('kimg','n_batches','position')}=={k:mb[k] for k in ('kimg','n_batches','position')}
    assert torch.equal(a['rng.torch'], b['rng.torch'])
    first = [read_log(o/'log.csv')[0] for o in (whole,out)]
    assert first[0]['d']==pytest.approx(first[1]['d'], rel=.02)

def test_what_cannot_be_shared(tmp_path):
    code,_,err = ended(torchrun(3, '-m', 'semistyle.train', *TINY, '--out', tmp_path/'run'))
    assert code and any('bs should be a multiple of 12, to be shared by 3 processes' in o
                        for o in said(err)), err[-2000:]
    (tmp_path/'full').mkdir(); (tmp_path/'full'/'mine.txt').write_text('x')
    code,_,err = ended(torchrun(2, '-m', 'semistyle.train', *TINY, '--out', tmp_path/'full'))
    assert code and len(said(err))==1 and 'should be new or empty' in said(err)[0]      # the first one speaks for all

def test_other_commands_are_for_one_process(tmp_path):
    script = Path(sys.executable).parent/'semistyle_show'
    code,_,err = ended(torchrun(2, script, 'robot-64', '--out', tmp_path/'x.png'))
    assert code and said(err, 'semistyle_show')==['there should be one process of this command, 2 were launched: start '
                                                  'it by its name alone']

def test_measures_of_one_and_two_processes(tmp_path):
    "Repeats are shared, and the numbers are those of one process to the bit; a repeat that the file lacks alone is made again; what fails is said once"
    ask = ['--no-python','semistyle_eval','shapes-stylegan2-32','--samples','1000','--seeds','3','--metrics']
    def measure(n, name, *more):
        code,out,err = ended(torchrun(n, *ask, 'fd_oracle,recall_oracle', '--out', tmp_path/name, *more))
        assert code==0, err[-2000:]
        return json.loads((tmp_path/name).read_text()),out
    (one,_),(two,shown) = measure(1, 'one.json'),measure(2, 'two.json')
    def values(res): return [(r['measure'], r['seed'], r['values']) for r in res['runs']]
    assert values(one)==values(two) and len(values(two))==3 and one['metrics']==two['metrics'] and two['processes']==2 and 'processes' not in one
    assert shown.count('fd_oracle')==1                                                          # one table
    lacking = two | dict(runs=two['runs'][::2]); (tmp_path/'two.json').write_text(json.dumps(lacking))
    again,_ = measure(2, 'two.json')
    assert values(again)==values(two) and [r['seconds'] for r in again['runs'][::2]]==[r['seconds'] for r in two['runs'][::2]]
    code,_,err = ended(torchrun(2, *ask, 'mig', '--out', tmp_path/'no.json'))
    assert code and len(said(err, 'semistyle_eval'))==1 and 'cannot be measured' in said(err, 'semistyle_eval')[0], err[-2000:]

def free_port():
    with socket.socket() as s: s.bind(('127.0.0.1', 0)); return str(s.getsockname()[1])

@pytest.mark.parametrize('taken', [False,True])
def test_nobody_else_comes(taken):
    "No second process, or a port that something else uses: a sentence with a way out"
    code = "from semistyle.processes import joined\nwith joined(.03): pass"
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        if taken: s.listen()
        port = str(s.getsockname()[1]) if taken else free_port()
        env = os.environ | ONE_THREAD | dict(RANK='0', WORLD_SIZE='2', MASTER_ADDR='127.0.0.1', MASTER_PORT=port,
                                             TORCH_CPP_LOG_LEVEL='FATAL')
        p = subprocess.run([sys.executable,'-c',code], capture_output=True, text=True, env=env, timeout=200)
    last = p.stderr.strip().splitlines()[-1]
    assert p.returncode==1 and last.startswith('semistyle.processes.LostProcess: process 0 should meet 1 more at '
                                               f'127.0.0.1:{port}'), p.stderr
    assert 'choose another port where that one is in use' in last

@pytest.mark.slow
def test_accelerate(whole, tmp_path):
    "`accelerate launch` starts the same"
    pytest.importorskip('accelerate')
    cmd = [sys.executable,'-m','accelerate.commands.launch','--num_processes','2','--num_machines','1',
           '--mixed_precision','no','--dynamo_backend','no','--multi_gpu',
           '--main_process_port',free_port(),'--module','semistyle.train',*TINY,'--out',str(tmp_path/'run')]
    p = subprocess.run(cmd, capture_output=True, text=True, env=os.environ | ONE_THREAD, timeout=300)
    assert p.returncode==0, p.stderr[-2000:]
    same(whole, tmp_path/'run')

@pytest.mark.parametrize('model,more', [('shapes-stylegan2-32', ()), ('tiny', ('--features', 'pixels'))])
def test_a_discovery_of_one_and_two_processes(tmp_path, model, more):
    "The first one searches, all score: the directions, their steps and names, and every score are those of one process; what fails is said once"
    if model=='tiny':
        from semistyle.models.checkpoint import save_model
        from semistyle.models.stylegan2 import StyleGAN2Generator
        torch.manual_seed(0)
        save_model(tmp_path/'tiny', {}, generator=StyleGAN2Generator(z_dim=4, w_dim=8, img_resolution=256,
                                                                     channel_base=256, channel_max=8))
        model = tmp_path/'tiny'
    ask = ['--no-python','--','semistyle_discover',model,'--method','sefa','--directions','5','--samples','500','--n',
           '4',*more]
    def found(n, name):
        code,out,err = ended(torchrun(n, *ask, '--out', tmp_path/name))
        assert code==0, err[-2000:]
        res = json.loads((tmp_path/name/'discovery.json').read_text())
        return {k:v for k,v in res.items() if k not in ('command','seconds','seconds_to_directions','machine',
                                                        'commit')},(tmp_path/name/'directions'/'directions.safetensors').read_bytes(),out
    (one,a,_),(two,b,shown) = found(1, 'one'),found(2, 'two')
    for o in (one,two): o['settings'].pop('seconds', None)
    assert one==two and a==b and shown.count('directions, looked for with')==1
    code,_,err = ended(torchrun(2, *ask, '--label', '1', '--out', tmp_path/'no'))
    assert code and len(said(err, 'semistyle_discover'))==1, err[-2000:]
