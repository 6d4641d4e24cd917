"""Every file that a command reads again, damaged: a byte flipped at its start, middle or end, emptied, removed, or another's in its place.
Then the command ends in one sentence with exit code 2 and has changed nothing, or it gives what it gives without damage."""
import json,shutil
import numpy as np,pytest,torch
from PIL import Image
from commands import run

NETS = 'g_args.z_dim=4 g_args.w_dim=16 g_args.channel_base=128 g_args.channel_max=16 d_args.channel_base=128 d_args.channel_max=16'
MODEL = 'shapes-stylegan2-32'

def snapshot(folder):
    return {str(o.relative_to(folder)):o.read_bytes() for o in sorted(folder.rglob('*')) if o.is_file()}

def flip(at):
    def _f(path, other):
        data = bytearray(path.read_bytes())
        if data: data[int(at*(len(data)-1))] ^= 1
        path.write_bytes(data)
    return _f

DAMAGES = dict(start=flip(0), early=flip(.1), middle=flip(.5), late=flip(.9), end=flip(1),
               empty=lambda path, other: path.write_bytes(b''), removed=lambda path, other: path.unlink(),
               others=lambda path, other: shutil.copyfile(other, path) if other.exists() else path.unlink())

def ok(name, *args):
    r = run(name, *args)
    assert r.code==0, (r.code, r.err)

def tried(clean, other, at, words, result):
    "Damage each file of a folder in each way and run the command: how often it refused, and how often it gave the same"
    refused = same = 0
    shutil.copytree(clean, at)
    want = result(at, run(*words(at)))
    shutil.rmtree(at)
    for file in snapshot(clean):
        for how,damage in DAMAGES.items():
            shutil.copytree(clean, at)
            damage(at/file, other/file)
            before,r = snapshot(at),run(*words(at))
            said = [o for o in r.err.split('\n') if o and '\r' not in o and 'Warning' not in o and 'warn(' not in o]
            if r.code==2:
                assert said and said[-1].startswith(words(at)[0]) and 'Traceback' not in r.err, (file, how, r.err)
                assert snapshot(at)==before, (file, how)
                refused += 1
            else:
                assert r.code==0, (file, how, r.code, r.err)
                assert result(at, r)==want, (file, how)
                same += 1
            shutil.rmtree(at)
    print(f'{words(at)[0]}: {refused+same} damages, {refused} refused, {same} without effect')
    return refused,same

@pytest.fixture(scope='module')
def home(tmp_path_factory):
    "Half-trained runs on two data sets, a store, directions, an edit and measures, each with another of its kind"
    from fastai.callback.core import Callback,CancelFitException
    from semistyle.runs.train import plan_run,train_run
    torch.set_num_threads(1)
    home = tmp_path_factory.mktemp('home')
    for who in 'ab':
        rng,at = np.random.default_rng(ord(who)),home/who
        (at/'photos').mkdir(parents=True)
        for i in range(24):
            Image.fromarray(rng.integers(256, size=(32,32,3), dtype=np.uint8)).save(at/'photos'/f'{i:02}.png')
        (at/'table.csv').write_text('file,hat\n'+''.join(f'{i:02}.png,{(i+(who=="a"))%2}\n' for i in range(24)))
        class Stop(Callback):
            def after_batch(self):
                if self.n_batches==19: raise CancelFitException
        run_ = plan_run(at/'run', at/'photos', 'robot-16', items=NETS.split(), kimg=.2, labels=at/'table.csv', eta=.5,
                        seed=ord(who)-97)
        train_run(at/'run', run_, progress=False, cbs=[Stop()])
        ok('semistyle_data', 'pack', at/'photos', '--labels', at/'table.csv', '--resolution', 16, '--workers', 1,
           '--out', at/'store')
        ok('semistyle_discover', MODEL, '--method', 'sefa', '--directions', 3+(who=='b'), '--samples', 200, '--n', 2,
           '--distinct', 0, '--out', at/'found')
        ok('semistyle_edit', at/'photos'/'00.png', '--model', MODEL, '--project', '--steps', 3, '--out', at/'edit')
        (at/'measured').mkdir()
        ok('semistyle_eval', 'robot-64', '--n', 100, '--seeds', 1, '--seed', ord(who), '--out', at/'measured'/'m.json')
    return home

def nets(at, r):
    "What a resumed run leaves"
    return [(at/o).read_bytes() for o in ('model/generator.safetensors','model/discriminator.safetensors','film.png')]

@pytest.mark.slow
def test_a_run(home, tmp_path):
    refused,same = tried(home/'a'/'run', home/'b'/'run', tmp_path/'x',
                         lambda at: ('semistyle_train', '--resume', '--out', at), nets)
    assert refused>=30 and same>=10

@pytest.mark.slow
def test_a_model(home, tmp_path):
    png = lambda at, r: (tmp_path/'g.png').read_bytes()
    refused,same = tried(home/'a'/'run'/'model', home/'b'/'run'/'model', tmp_path/'x',
                         lambda at: ('semistyle_show', at, '--kind', 'grid', '--out', tmp_path/'g.png'), png)
    assert refused==24 and same==8      # the card alone is not what is drawn

@pytest.mark.slow
def test_a_store(home, tmp_path):
    "`check` names what is damaged; a training does not begin"
    for words in (lambda at: ('semistyle_data', 'check', at),
                  lambda at: ('semistyle_train', '--world', at, '--preset', 'robot-16', '--kimg', '.008', '--eta', '.5',
                              '--set', NETS, '--out', tmp_path/'t')):
        def result(at, r): shutil.rmtree(tmp_path/'t', ignore_errors=True); return r.code
        shutil.rmtree(tmp_path/'t', ignore_errors=True)
        refused,same = tried(home/'a'/'store', home/'b'/'store', tmp_path/'x', words, result)
        assert same==0

@pytest.mark.slow
def test_directions(home, tmp_path):
    def result(at, r): return (tmp_path/'out'/'edit'/'edit.safetensors').read_bytes()
    refused,same = tried(home/'a'/'found'/'directions', home/'b'/'found'/'directions', tmp_path/'x',
                         lambda at: ('semistyle_edit', home/'a'/'edit', '--direction', '1=2', '--directions', at,
                                     '--out', tmp_path/'out'), result)
    assert same==0

@pytest.mark.slow
def test_an_edit(home, tmp_path):
    def result(at, r): return (tmp_path/'out'/'edit'/'edit.safetensors').read_bytes()
    refused,same = tried(home/'a'/'edit'/'edit', home/'b'/'edit'/'edit', tmp_path/'x',
                         lambda at: ('semistyle_edit', at, '--out', tmp_path/'out'), result)
    assert same==0

@pytest.mark.slow
def test_results(home, tmp_path):
    "Numbers that were measured are taken over only as they were measured"
    def result(at, r): return json.loads((at/'m.json').read_text())['metrics']
    refused,same = tried(home/'a'/'measured', home/'b'/'measured', tmp_path/'x',
                         lambda at: ('semistyle_eval', 'robot-64', '--n', 100, '--seeds', 1, '--seed', 97, '--out',
                                     at/'m.json'), result)
    assert refused>=4
