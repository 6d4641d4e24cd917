"A generator as an ONNX graph, and a page of sliders in a real browser. The page needs onnxruntime-web: npm fetches it, or $ONNXRUNTIME_WEB names its .tgz."
import os,shutil,subprocess,sys
import pytest,torch
from pathlib import Path
from commands import refuses,run
from conftest import ROOT
from semistyle.models.checkpoint import load_model,shipped_models
from semistyle.runs.export import RUNTIME,ExportedGenerator,onnx_error,save_onnx

pytest.importorskip('onnxruntime'); pytest.importorskip('onnxscript')

@pytest.fixture(scope='session')
def runtime(tmp_path_factory):
    "onnxruntime-web's package"
    name = f'onnxruntime-web-{RUNTIME}.tgz'
    found = [o for o in (os.environ.get('ONNXRUNTIME_WEB', ''), ROOT/'.venv'/name) if o and Path(o).is_file()]
    if found: return found[0]
    if not shutil.which('npm'): pytest.skip('npm is not installed, and $ONNXRUNTIME_WEB names no package')
    from semistyle.runs.export import _npm_pack
    try: return _npm_pack(tmp_path_factory.mktemp('npm'))
    except ValueError as e: pytest.skip(f'onnxruntime-web is not to be had: {e}')

@pytest.fixture(scope='module')
def page(tmp_path_factory, runtime):
    out = tmp_path_factory.mktemp('page')
    r = run('semistyle_export', 'robot-64', '--page', out/'turn', '--runtime', runtime)
    assert r.code==0 and 'open it in a browser' in r.out, r.err
    return out/'turn'/'index.html'

@pytest.mark.parametrize('name', [o for o in shipped_models() if 'oracle' not in o])
def test_every_shipped_generator(tmp_path, name):
    r = run('semistyle_export', name, '--onnx', tmp_path/'g.onnx', '--noise_mode', 'none')
    assert r.code==0 and "of PyTorch's" in r.out, r.err
    for n in (1,4):
        assert onnx_error(tmp_path/'g.onnx', ExportedGenerator(load_model(name).generator.eval(), 'none'), n,
                          seed=7)<1e-4

@pytest.mark.parametrize('name', [o for o in shipped_models() if 'oracle' not in o])
def test_every_shipped_generator_without_our_code(tmp_path, name):
    "The archive of torch.export draws what the generator draws, where nothing of this package is loaded"
    path,n = tmp_path/'g.pt2',3
    r = run('semistyle_export', name, '--pt2', path)
    assert r.code==0 and "of the generator's" in r.out, r.err
    e = ExportedGenerator(load_model(name).generator.eval(), 'const')
    x = e.example(n, 7); torch.save([*x.values()], tmp_path/'x.pt')
    code = (f"import sys,torch; x = torch.load({str(tmp_path/'x.pt')!r}); y = "
            f"torch.export.load({str(path)!r}).module()(*x); assert not [o for o in sys.modules if "
            f"o.startswith('semistyle')]; torch.save(y.detach(), {str(tmp_path/'y.pt')!r})")
    subprocess.run([sys.executable, '-c', code], check=True, cwd=tmp_path)
    with torch.no_grad(): assert (torch.load(tmp_path/'y.pt')-e(*x.values())).abs().max()<1e-4

def test_one_version_of_the_runtime():
    "The site is built with the version that the page was tried with"
    assert f'RUNTIME     := onnxruntime-web-{RUNTIME}\n' in (ROOT/'Makefile').read_text()

@pytest.mark.parametrize('option,name', [('--onnx','g.onnx'), ('--pt2','g.pt2')])
def test_two_exports_of_one_file(tmp_path, option, name):
    "The second is refused while the first one writes, and nothing of it stays"
    from semistyle.core import alone_at
    with alone_at(tmp_path/name):
        refuses('semistyle_export', 'robot-64', option, tmp_path/name, says=["in no other process's use"])
    assert not [*tmp_path.iterdir()]

def test_what_is_refused(tmp_path):
    refuses('semistyle_export', 'robot-64', says=['onnx, pt2, page or hub should be given'])
    refuses('semistyle_export', 'robot-64', '--onnx', tmp_path/'g.pt', says=['onnx should be a file that ends in .onnx'])
    refuses('semistyle_export', 'robot-oracle-32', '--onnx', tmp_path/'g.onnx', says=['should hold a generator'])
    refuses('semistyle_export', 'robot-64', '--onnx', tmp_path/'g.onnx', '--noise_mode', 'random',
            says=['draws no random noise'])
    refuses('semistyle_export', 'robot-64', '--page', tmp_path/'p', '--runtime', ROOT/'setup.py',
            says=['runtime should be onnxruntime-web'])
    refuses('semistyle_export', 'shapes-stylegan2-32', '--page', tmp_path/'p',
            says=['directions of shapes-stylegan2-32 should be given'])
    assert not [o for o in tmp_path.rglob('*') if o.is_file()]

@pytest.fixture
def opened(browser, page):
    "The page in Chromium, from its file, with every request and complaint noted"
    context = browser.new_context(viewport=dict(width=1100, height=800), offline=True)
    tab,said,asked = context.new_page(), [], []
    tab.on('console', lambda m: said.append(m.text)); tab.on('pageerror', lambda e: said.append(str(e)))
    tab.on('request', lambda r: asked.append(r.url))
    tab.goto(page.as_uri()); tab.wait_for_selector('body[data-ready]', timeout=90_000)
    yield tab,said,asked
    context.close()

def pixels(tab):
    "The picture on the canvas, [side,side,3] in bytes, one for each pixel of the generator"
    data = tab.evaluate("""() => { const c = document.getElementById('picture'), x = c.getContext('2d'), s = JSON.parse(document.getElementById('spec').textContent).resolution,
        k = c.width/s, res = []; const d = x.getImageData(0, 0, c.width, c.height).data
        for (let i=0; i<s; i++) for (let j=0; j<s; j++) for (let q=0; q<3; q++) res.push(d[4*((i*k+Math.floor(k/2))*c.width+j*k+Math.floor(k/2))+q]); return res }""")
    return torch.tensor(data).view(int((len(data)/3)**.5), -1, 3)

def true_pixels(z, c):
    g = load_model('robot-64').generator.eval()
    with torch.no_grad(): img = g(z, c, noise_mode='const')[0]
    return ((img+1)*127.5).clamp(0, 255).permute(1, 2, 0)

def drawn_after(tab, act):
    "Do something that changes the picture, and wait for it"
    n = int(tab.evaluate('document.body.dataset.drawn'))
    act()
    tab.wait_for_function('n => Number(document.body.dataset.drawn)>n', arg=n, timeout=60_000)

def turn(tab, i, key):
    def press(): tab.focus(f'#s{i}'); tab.keyboard.press(key)
    drawn_after(tab, press)

def another(tab): drawn_after(tab, lambda: tab.click('text=another picture'))

def test_the_page_draws_what_pytorch_draws(opened):
    tab,said,asked = opened
    model = load_model('robot-64')
    z,_ = model.sampler().points(12, 0)
    sizes = torch.tensor(model.space.sizes)
    c = (sizes//2)/(sizes-1.)
    assert (pixels(tab)-true_pixels(z[:1], c[None])).abs().max()<=1.5
    wall = model.space.names.index('wall_color')
    turn(tab, wall, 'End')                                              # by the keyboard
    c[wall] = 1.
    assert (pixels(tab)-true_pixels(z[:1], c[None])).abs().max()<=1.5
    assert 'wall+color=1.000' in tab.url
    another(tab)
    assert (pixels(tab)-true_pixels(z[1:2], c[None])).abs().max()<=1.5
    said = [o for o in said if 'willReadFrequently' not in o]               # of the test's own reading
    assert not said and all(o.startswith(('file:','blob:','data:')) for o in asked), (said, asked)

def test_a_link_restores_the_state(opened, browser, page):
    tab,_,_ = opened
    turn(tab, 0, 'Home'); another(tab)
    want,other = pixels(tab),browser.new_page()
    other.goto(tab.url); other.wait_for_selector('body[data-ready]', timeout=90_000)
    assert torch.equal(pixels(other), want)
    other.goto(page.as_uri()+'#latent=99&object+shape=7&wall+color=x')                 # what is no state is left out
    other.wait_for_function("document.getElementById('o0').textContent=='2 of 3'", timeout=60_000)
    assert other.inner_text('#o0')=='2 of 3' and other.inner_text('#o8')=='3 of 4'
    other.close()

def test_small_quick_and_labelled(opened, page):
    tab,_,_ = opened
    assert page.stat().st_size<12e6
    for key in ('Home','End'): turn(tab, 1, key)
    # a laptop draws in under 100 ms; a busy machine is given time
    assert int(tab.evaluate('document.body.dataset.ms'))<1000
    for i in range(9):
        assert tab.get_by_label(load_model('robot-64').space.names[i].replace('_', ' '), exact=True).count()==1
    tab.set_viewport_size(dict(width=360, height=800))
    assert tab.evaluate('document.documentElement.scrollWidth<=innerWidth')

def test_without_javascript_a_picture_stands_there(browser, page):
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page(); tab.goto(page.as_uri())
    assert tab.is_visible('#still') and not tab.is_visible('#live') and 'Without' in tab.inner_text('#said')
    context.close()

def test_directions_and_names_that_are_html(browser, tmp_path, runtime):
    "An unconditional generator's page moves along directions; a name that is a script is text"
    from semistyle.discover.navigator import Directions,owner_of,save_directions
    g = load_model('shapes-stylegan2-32').generator
    v = torch.randn(1, g.num_ws, g.w_dim, generator=torch.Generator().manual_seed(0))
    save_directions(tmp_path/'found', Directions(v, owner_of(g), ['</script><script>window.hit=1</script>']))
    r = run('semistyle_export', 'shapes-stylegan2-32', '--page', tmp_path/'p', '--runtime', runtime, '--directions',
            tmp_path/'found')
    assert r.code==0, r.err
    tab = browser.new_page(); tab.goto((tmp_path/'p'/'index.html').as_uri())
    tab.wait_for_selector('body[data-ready]', timeout=90_000)
    before = pixels(tab)
    turn(tab, 0, 'End')
    assert tab.evaluate('window.hit')is None and (pixels(tab)-before).abs().max()>5
    tab.close()

@pytest.mark.parametrize('kw', [dict(c_dim=3), *(pytest.param(o, marks=pytest.mark.slow) for o in (
    dict(), dict(res=32, conv_clamp=256.), dict(architecture='resnet'), dict(architecture='orig'),
    dict(resample_filter=[1,2,3,4,5]),
    dict(img_channels=1, use_noise=False)))], ids=str)
def test_imported_generators(tmp_path, kw):
    "What NVIDIA's program trained, as a graph: every kind of network that is imported"
    import test_import as T
    m = T.imported(tmp_path, T.nvidia_pickle(G_ema=T.generator(**kw)))
    assert save_onnx(m.generator, tmp_path/'g.onnx')<1e-4
    assert onnx_error(tmp_path/'g.onnx', ExportedGenerator(m.generator), 5, seed=3)<1e-4
