"The commands from end to end, as a user types them."
import json,os,re,subprocess,sys,time
import pytest
from commands import NAMES,ONE_THREAD,TINY,refuses,run,script
from conftest import ROOT

def python(code):
    return subprocess.run([sys.executable, '-c', code], check=True, capture_output=True, text=True, cwd=ROOT).stdout

def test_help_is_quick():
    "`--help` loads neither torch nor fastai"
    assert python("import semistyle.cli,sys; print({'torch','numpy','fastai'} & sys.modules.keys())").strip()=='set()'

@pytest.mark.parametrize('name', NAMES)
def test_help(name):
    "Every command says what it does and what it takes, each argument with its explanation"
    r = run(name, '--help')
    assert r.code==0 and not r.err
    flags = re.findall(r'^  (--\w+)', r.out, re.M)
    # which writes what --onnx and --page name
    assert {'--seed','--out'} <= set(flags) or name in ('semistyle_train','semistyle_export')
    for f in flags: assert re.search(rf'^  {f}( \S+)?\s+\w.*\w', r.out, re.M), f

def test_page_of_commands():
    "The page has every command, an example of each, and no option that a command does not have"
    cells = [''.join(o['source']) for o in json.loads((ROOT/'nbs'/'commands.ipynb').read_text())['cells'][2:]]
    assert [re.match(r'## (\w+)', o)[1] for o in cells] == NAMES
    for name,o in zip(NAMES, cells):
        assert f'<!-- help: {name} -->' in o
        lines = re.search(r'```sh\n(.*?)\n```', o, re.S)[1].split('\n')
        known = re.findall(r'--[\w-]+', run(name, '--help').out)
        for line in lines:
            assert line.split()[0]==name and set(re.findall(r'--[\w-]+', line)) <= set(known), line
        for line in re.findall(rf'`({name} [^`]*)`', (ROOT/'README.md').read_text()):
            assert set(re.findall(r'--[\w-]+', line)) <= set(known), line

@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    "A tiny run, by command"
    out = tmp_path_factory.mktemp('runs')/'a'
    r = run('semistyle_train', *TINY, '--seed', 3, '--out', out)
    assert r.code==0, r.err
    assert 'is trained' in r.out and re.search(r'<\d\d:\d\d', r.err)  # a bar with the time left
    return out

def test_train(trained):
    "What a run leaves behind, and that it refuses to be overwritten"
    assert {o.name for o in trained.iterdir()}=={'run.json','labels.json','log.csv','film.png','state','model'}
    r = json.loads((trained/'run.json').read_text())
    assert (r['world'], r['preset'], r['seed'], r['settings']['kimg'])==('sprites', 'robot-16', 3, .4)
    assert r['command'].startswith('semistyle_train --world sprites')
    log = (trained/'log.csv').read_text().splitlines()
    assert log[0].startswith('kimg,seconds,') and 'd.supervised_code' in log[0] and len(log)>=3

def test_resuming_a_finished_run_changes_nothing(trained):
    before = (trained/'model'/'generator.safetensors').read_bytes()
    r = run('semistyle_train', '--out', trained, '--resume')
    assert r.code==0, r.err
    assert (trained/'model'/'generator.safetensors').read_bytes()==before

def test_eval(trained, tmp_path):
    "A table on standard output and the same numbers as JSON, with their spread and what they depend on"
    out = tmp_path/'sub'/'m.json'
    r = run('semistyle_eval', trained/'model', '--n', 500, '--seeds', 2, '--out', out)
    assert r.code==0, r.err
    d = json.loads(out.read_text())
    assert list(d['metrics'])==['mig','l2','render_ratio']  # no oracle is shipped for sprites at 16x16
    assert all(o['n']==2 and 0<=o['mean'] and 0<=o['std'] for o in d['metrics'].values())
    assert {'command','commit','machine','seconds','seed','model','samples'} <= d.keys()
    assert re.search(rf"^mig +{d['metrics']['mig']['mean']:.4f} ", r.out, re.M)
    assert 'MIG-gen and L2-gen are left out' in r.out

def test_eval_with_an_oracle(trained, tmp_path):
    "With an oracle, MIG-gen and L2-gen, and what true pictures get from it"
    from semistyle.models.oracle import Oracle
    from semistyle.models.checkpoint import save_model
    save_model(tmp_path/'oracle', dict(world='sprites'), oracle=Oracle(16, 5, 1, widths=(8,8), n_blocks=1))
    r = run('semistyle_eval', trained/'model', '--n', 200, '--seeds', 1, '--oracle', tmp_path/'oracle', '--out',
            tmp_path/'m.json')
    assert r.code==0, r.err
    d = json.loads((tmp_path/'m.json').read_text())
    assert set(d['metrics'])=={'mig','l2','mig_gen','l2_gen','render_ratio'} and set(d['ceiling'])=={'mig_gen','l2_gen'}
    assert 'l2_gen of true pictures' in r.out

@pytest.mark.parametrize('kind,suffix', [('grid','.png'),('traversals','.png'),('traversals','.gif'),('mixing','.png'),
                                         ('interpolation','.gif')])
def test_show(trained, tmp_path, kind, suffix):
    "Each picture, with its JSON beside; the same seed draws the same"
    from PIL import Image
    pics = []
    for name in 'ab':
        out = tmp_path/f'{name}{suffix}'
        r = run('semistyle_show', trained/'model', '--kind', kind, '--out', out, '--seed', 5, '--psi', .7)
        assert r.code==0, r.err
        pics.append(out.read_bytes())
    assert pics[0]==pics[1]
    with Image.open(out) as im:
        assert getattr(im, 'n_frames', 1)==(1 if suffix=='.png' else {'interpolation':48,'traversals':24}[kind])
    d = json.loads(out.with_suffix('.json').read_text())
    assert (d['kind'], d['psi'], d['seed'])==(kind, .7, 5)

def test_bench_render(tmp_path):
    "JSON alone on standard output, and the same in a file"
    r = run('semistyle_bench', 'render', '--world', 'sprites', '--resolution', 16, '--seconds', .1, '--json', '--out',
            tmp_path/'b.json')
    assert r.code==0, r.err
    d,f = json.loads(r.out),json.loads((tmp_path/'b.json').read_text())
    assert d['batch']==64 and d['microseconds_per_image']>0
    assert f['microseconds_per_image']==d['microseconds_per_image'] and 'command' in f

@pytest.mark.slow
def test_train_and_measure(tmp_path):
    "`--eval` measures at the end: a table, `metrics.json`, and the model's card"
    r = run('semistyle_train', *TINY, '--eval', '--out', tmp_path/'a')
    assert r.code==0, r.err
    mig = json.loads((tmp_path/'a'/'metrics.json').read_text())['metrics']['mig']
    assert mig['n']==3 and re.search(rf"^mig +{mig['mean']:.4f} ", r.out, re.M)
    assert f"| mig | {mig['mean']:.4f} |" in (tmp_path/'a'/'model'/'model_card.md').read_text()

@pytest.mark.slow
def test_bench_train():
    "The default step beside its baseline, measured in turns"
    r = run('semistyle_bench', 'train', '--resolution', 32, '--seconds', 20, '--json')
    assert r.code==0, r.err
    d = json.loads(r.out)
    assert d.keys() == {'matmul_gflops','semi_stylegan-32','stylegan-32','stylegan2-32','beta_tcvae-32','factor_vae-32','machine'}
    for o in ('semi_stylegan-32','stylegan-32','stylegan2-32'):
        assert {'images_per_s','baseline_images_per_s','ratio','of_matmul','threads','dtype',
                'batch'} <= d[o].keys() and d[o]['batch']==64
        assert d[o]['ratio']>1 and len(d[o]['turns'])>=3

@pytest.mark.slow
def test_quick_demo(tmp_path):
    "The quick demo ends within 90 seconds (its imports and its first rendering included) and says what its numbers are worth"
    env = os.environ | ONE_THREAD
    begin = time.monotonic()
    p = subprocess.run([sys.executable, script('semistyle_demo'), '--quick', '--out', str(tmp_path/'demo')],
                       capture_output=True, text=True, env=env)
    took = time.monotonic()-begin
    assert p.returncode==0, p.stderr
    d = json.loads((tmp_path/'demo'/'metrics.json').read_text())
    assert {'mig','l2','mig_gen','l2_gen','render_ratio','kimg','seconds'} <= d.keys()
    page = (tmp_path/'demo'/'report.html').read_text()
    assert 'mean little' in p.stdout and 'mean little' in page and '0.965' in page
    assert took<90

@pytest.mark.parametrize('line,says', [
    ('export robot-64 --onnx g.onnx --psi .7',              'psi should be given with --page, got 0.7 without'),
    ('export robot-64 --page p --opset 19',                 'opset should be given with --onnx, got 19 without'),
    ('distill sprites --method beta-vae --pairs 50',        'pairs should be given with directions, got 50 without'),
    ('distill sprites --method beta-vae --world robot',     'world should be given with directions, got robot without'),
    ('data download falcor3d --resolution 32',              'download should be given a name and --root, got resolution too'),
    ('data preview sprites --resolution 16 --json',         'json should be given with info or check, got True without'),
    ('eval robot-64 --metrics fd --samples ²',              "sizes (--samples) should be 'quick', 'published' or a number, got '²'"),
    ('eval robot-64 --samples quick',                       'samples should be given with --metrics or --check, got quick without'),
    ('discover shapes-stylegan2-32 --method sefa --kimg 2', 'kimg should be given with a method that trains, or attention, got 2.0'),
    ('discover shapes-stylegan2-32 --world robot',          "world should be that of the model, 'shapes', whose pictures these are, got 'robot'")])
def test_no_option_is_ignored(line, says, tmp_path, monkeypatch):
    "What another option alone reads is refused without it, before anything is made"
    monkeypatch.chdir(tmp_path)
    refuses(*f'semistyle_{line}'.split(), says=[says])
    assert not list(tmp_path.iterdir())
