"Commands that fill a folder leave other people's alone, and Ctrl-C leaves in it what was computed."
import signal,tarfile,time
import numpy as np,pytest,torch
from PIL import Image
from commands import refuses,run,start
from semistyle.models.checkpoint import load_state,save_model
from semistyle.models.stylegan2 import StyleGAN2Generator

MODEL,SOME = 'shapes-stylegan2-32',('--samples', 200, '--n', 2, '--directions', 3, '--distinct', 0)

@pytest.fixture(scope='module')
def home(tmp_path_factory):
    "A folder with a photograph, a small model, directions found in it, and folders of other things"
    home = tmp_path_factory.mktemp('home')
    torch.manual_seed(0)
    save_model(home/'tiny', {}, generator=StyleGAN2Generator(z_dim=4, w_dim=8, img_resolution=8, channel_base=64,
                                                             channel_max=8))
    Image.fromarray(np.random.default_rng(0).integers(256, size=(8,8,3), dtype=np.uint8)).save(home/'photo.png')
    assert not run('semistyle_discover', home/'tiny', '--method', 'sefa', *SOME, '--out', home/'found').code
    with tarfile.open(home/'runtime.tgz', 'w:gz') as t:
        for o in ('ort.wasm.bundle.min.mjs','ort-wasm-simd-threaded.wasm'):
            t.addfile(tarfile.TarInfo(f'package/dist/{o}'))
    return home

COMMANDS = dict(
    discover=lambda o: ['semistyle_discover', o/'tiny', '--method', 'sefa', *SOME],
    distill=lambda o: ['semistyle_distill', o/'tiny', o/'found', '--pairs', 8, '--kimg', .05],
    vae=lambda o: ['semistyle_distill', 'sprites', '--method', 'beta-vae', '--kimg', .05],
    edit=lambda o: ['semistyle_edit', o/'photo.png', '--model', o/'tiny', '--project', '--steps', 2],
    train=lambda o: ['semistyle_train', '--world', 'sprites', '--preset', 'robot-16', '--kimg', .05],
    **{'import':lambda o: ['semistyle_import', o/'tiny', '--n', 0]})

THEIRS = dict(thesis=['thesis.tex'], directions=['directions/a.jpg'], edited=['edited/a.png'], vae=['vae/a.txt'],
              model=['model/a.txt'], state=['run/state/a.txt', 'notes.txt'])

def held(folder): return {str(o.relative_to(folder)):o.read_bytes() for o in folder.rglob('*') if o.is_file()}

@pytest.mark.parametrize('name,theirs',
                         [(a,b) for a in COMMANDS for b in ('thesis',
                                                            dict(discover='directions', edit='edited', distill='vae',
                                                                 vae='vae').get(a, 'model'), 'state')])
def test_a_folder_of_other_things_is_refused_before_time_is_spent(home, tmp_path, monkeypatch, name, theirs):
    out = tmp_path/'out'
    for o in THEIRS[theirs]: (out/o).parent.mkdir(parents=True, exist_ok=True); (out/o).write_text('theirs')
    before = held(out)
    def spent(*args, **kwargs): raise AssertionError('time was spent')
    for o in ('semistyle.runs.discover.find_directions','semistyle.runs.distill.distill_encoder',
              'semistyle.runs.distill.train_vae','semistyle.runs.edit._project',
              'semistyle.models.importing.networks.import_model'): monkeypatch.setattr(o, spent)
    refuses(*COMMANDS[name](home), '--out', out, says=['choose another folder'])
    assert held(out)==before

def test_a_page_of_somebody_else_is_not_replaced(home, tmp_path):
    (tmp_path/'index.html').write_text('<title>my own page</title>')
    words = 'semistyle_export', home/'tiny', '--directions', home/'found', '--runtime', home/'runtime.tgz', '--page'
    refuses(*words, tmp_path, says=['should be new or a page of sliders','choose another folder'])
    assert (tmp_path/'index.html').read_text()=='<title>my own page</title>'
    for i in range(2): assert not run(*words, tmp_path/'new').code  # and ours is

@pytest.mark.parametrize('name', ['discover','vae'])
def test_ctrl_c_keeps_what_was_computed(tmp_path, name):
    "Also long before the first save; and the rest ends where it does without an interrupt"
    words = dict(discover=['semistyle_discover', MODEL, '--kimg', .4, *SOME],
                 vae=['semistyle_distill', 'sprites', '--method', 'beta-vae', '--kimg', 4, '--n', 12000])[name]
    p = start(*words, '--out', tmp_path/'parts')
    seen = ''
    while not any(f'{i} pictures' in seen for i in range(8, 5000, 8)): seen += p.stderr.read(20); assert seen[-1:], seen
    p.send_signal(signal.SIGINT); err = seen+p.communicate(timeout=120)[1]
    assert p.returncode==130 and 'what was computed is in' in err and 'Traceback' not in err, err
    at = 'run/state'
    part = load_state(tmp_path/'parts'/at)
    p = start(*words, '--out', tmp_path/'parts', '--resume'); err = p.communicate(timeout=300)[1]
    assert p.returncode==0, err
    assert run(*words, '--out', tmp_path/'whole').code==0
    a,b = (load_state(tmp_path/o/at)[0] for o in ('whole','parts'))
    assert a.keys()==b.keys() and all(torch.equal(a[k], b[k]) for k in a if not k.startswith('rng.'))
    assert any(not torch.equal(part[0][k], a[k]) for k in a if k in part[0])  # it was cut off before its end

def test_ctrl_c_before_anything_was_computed_says_so(tmp_path):
    p = start('semistyle_discover', MODEL, '--samples', 1_000_000, '--out', tmp_path/'out')
    while not (tmp_path/'out').exists(): assert p.poll() is None, p.stderr.read(); time.sleep(.02)
    p.send_signal(signal.SIGINT); err = p.communicate(timeout=60)[1]
    assert p.returncode==130 and 'nothing was computed yet' in err, err
