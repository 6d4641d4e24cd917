"Networks of 256 pixels, in NVIDIA's format with random weights: what one does with them stays small and says how far it got"
import json,os,subprocess,sys
from pathlib import Path
import numpy as np,pytest,torch
from PIL import Image
import commands,plain_stylegan2 as plain
from test_import import nvidia_pickle
from semistyle.models.checkpoint import save_model
from semistyle.models.stylegan2 import StyleGAN2Discriminator,StyleGAN2Generator

def measured(*args):
    "A command in a process of its own: its exit code, what it said, and its largest memory in GB"
    code = ('import atexit,runpy,sys; from semistyle.bench.memory import peak_mb; atexit.register(lambda: '
            'print("peak", peak_mb(), file=sys.stderr));sys.argv = '
            f'{[commands.script(args[0]), *map(str, args[1:])]!r}; runpy.run_path(sys.argv[0], run_name="__main__")')
    p = subprocess.run([sys.executable,'-W','ignore','-c',code], capture_output=True, text=True,
                       env=os.environ | commands.ONE_THREAD)
    return p.returncode,p.stdout+p.stderr,float(p.stderr.split('peak ')[-1].split()[0])/1024

def done(*args):
    "A command in this process, which has to end well"
    r = commands.run(*args); assert r.code==0, r.err[-800:]

@pytest.fixture(scope='module')
def thin(tmp_path_factory):
    "256 pixels and few maps, so that it is quick: with classes, and a discriminator"
    torch.manual_seed(0); out,small = tmp_path_factory.mktemp('thin')/'thin',dict(channel_base=512, channel_max=8)
    g = plain.Generator(16, 3, 16, 256, 3, dict(num_layers=2), **small)
    (out.parent/'thin.pkl').write_bytes(nvidia_pickle(G_ema=g,
                                                      D=plain.Discriminator(3, 256, 3, mapping_kwargs=dict(num_layers=2), **small)))
    done('semistyle_import', out.parent/'thin.pkl', '--out', out, '--n', 2)
    return out

def test_traversals_and_discovery_of_an_import(thin, tmp_path):
    "Traversals without directions; directions of one class; the report says at which side pictures were read, and by how many"
    done('semistyle_show', thin, '--out', tmp_path/'t.png')
    done('semistyle_discover', thin, '--out', tmp_path/'d', '--method', 'sefa', '--directions', 3, '--label', 1)
    rec = json.loads((tmp_path/'d'/'discovery.json').read_text())
    assert rec['features'] in ('disc@64','disc@128',
                               'disc@256') and rec['label']==1 and 'first impression' in rec['judged_by']
    to,how = rec['settings']['drawn_to'],rec['settings']['drawn_in']
    assert to in (64,128,256) and how in ('float32','bfloat16') and f"drawings to {to}x{to} in {how}, read at {rec['features'][5:]}x" in rec['judged_by']
    assert rec['seconds_to_directions']<rec['seconds'] and rec['judged_by'] in (tmp_path/'d'/'report.html').read_text()
    commands.refuses('semistyle_discover', thin, '--label', 3, '--out', tmp_path/'no',
                     says=['label should be from 0 to 2, got 3'])
    commands.refuses('semistyle_discover', thin, '--method', 'sefa', '--resolution', 33, '--out', tmp_path/'no',
                     says=['resolution should be one of [64, 128, 256]'])

def test_gradients_of_large_pictures_are_those_of_all_at_once():
    "Maps that are computed again, and pictures one by one, give the gradient that keeping everything gives"
    torch.manual_seed(0)
    g = StyleGAN2Generator(256, z_dim=8, w_dim=8, mapping_layers=1, channel_base=512,
                           channel_max=8).eval().requires_grad_(False)
    ws = torch.randn(2, g.num_ws, 8, requires_grad=True)
    got, = torch.autograd.grad(g.synthesis(ws, noise_mode='const').square().mean(), ws)
    # in training nothing is computed again
    g.train(); want, = torch.autograd.grad(g.synthesis(ws, noise_mode='const').square().mean(), ws)
    assert (got-want).abs().max()<1e-5*want.abs().max()

def test_projected_noise_is_that_which_is_searched():
    "The noise that replaces a layer's own is used when maps are computed again"
    from semistyle.discover.invert import draw,noise_maps
    torch.manual_seed(0)
    g = StyleGAN2Generator(256, z_dim=8, w_dim=8, mapping_layers=1, channel_base=512,
                           channel_max=8).eval().requires_grad_(False)
    for k,p in g.synthesis.named_parameters():
        if k.endswith('noise_strength'): p.fill_(.5)
    noise = {k:torch.randn(2, *v.shape[1:]).requires_grad_() for k,v in noise_maps(g).items()}
    ws = torch.randn(2, g.num_ws, 8, requires_grad=True)
    got = torch.autograd.grad(draw(g, ws, noise).square().mean(), [ws, *noise.values()])
    g.train(); want = torch.autograd.grad(draw(g, ws, noise).square().mean(), [ws, *noise.values()])
    for a,b in zip(got, want): assert (a-b).abs().max()<1e-5*b.abs().max()+1e-9

@pytest.mark.slow
@pytest.mark.parametrize('side,base', [(256,16384),(1024,32768)])
def test_published_sizes_stay_under_three_gigabytes(tmp_path, side, base):
    torch.manual_seed(0)
    save_model(tmp_path/'m', {}, generator=StyleGAN2Generator(side, channel_base=base),
               discriminator=StyleGAN2Discriminator(side, channel_base=base))
    Image.fromarray(np.random.default_rng(0).integers(256, size=(90,120,3),
                                                      dtype=np.uint8)).save(photo := tmp_path/'photo.png')
    for args in (('semistyle_show', tmp_path/'m', '--out', tmp_path/'t.png'),
                 ('semistyle_discover', tmp_path/'m', '--out', tmp_path/'d', '--method', 'sefa'),
                 ('semistyle_discover', tmp_path/'m', '--out', tmp_path/'c', '--kimg', .002 if side==1024 else .008,
                  '--samples', 20_000),
                 ('semistyle_edit', photo, '--model', tmp_path/'m', '--project', '--steps', 3, '--filter', 'lanczos',
                  '--out', tmp_path/'e')):
        code,said,peak = measured(*args)
        assert code==0 and peak<3, (args, peak, said[-500:])
