"Every tutorial as a newcomer meets it: in a real JupyterLab, in a real Chromium, Run All Cells."
import json,os,socket,subprocess,sys,time
from contextlib import contextmanager,suppress
from urllib.request import urlopen
import pytest
from conftest import ROOT

TUTORIALS = sorted((ROOT/'nbs'/'tutorials').glob('*.ipynb'))
MINUTES = 20  # that a tutorial may take

SETTINGS = {  # no question about the kernel, no news from the network, every output in the page
    'notebook-extension/tracker': dict(autoStartDefaultKernel=True, windowingMode='none'),
    'apputils-extension/notification': dict(fetchNews='false', checkForUpdates=False)}

def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]

def until(cond, seconds, what):
    "Wait for `cond()`, and say `what()` was there instead when it does not come"
    end = time.time()+seconds
    while not cond():
        assert time.time()<end, what()
        time.sleep(.25)

@contextmanager
def jupyterlab(folder, home):
    "A JupyterLab on `folder` that knows nothing of the user's settings; gives its address"
    for name,o in SETTINGS.items():
        f = home/'settings'/'@jupyterlab'/f'{name}.jupyterlab-settings'
        f.parent.mkdir(parents=True)
        f.write_text(json.dumps(o))
    names = dict(JUPYTER_CONFIG_DIR='config', JUPYTER_DATA_DIR='data', JUPYTER_RUNTIME_DIR='runtime',
                 IPYTHONDIR='ipython', JUPYTERLAB_SETTINGS_DIR='settings', JUPYTERLAB_WORKSPACES_DIR='workspaces')
    env = {**os.environ, **{k:str(home/v) for k,v in names.items()}}
    port,log = free_port(),home/'log'
    cmd = [sys.executable, '-m', 'jupyterlab', '--no-browser', '--allow-root', '--ip=127.0.0.1', f'--port={port}',
           f'--ServerApp.root_dir={folder}', '--IdentityProvider.token=', '--ServerApp.password=',
           '--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate', '--LabApp.expose_app_in_browser=True']
    with log.open('w') as f: server = subprocess.Popen(cmd, env=env, stdout=f, stderr=f)
    try:
        url = f'http://127.0.0.1:{port}'
        def up():
            with suppress(OSError): return urlopen(f'{url}/api', timeout=10).status==200
        until(up, 90, lambda: log.read_text()[-2000:])
        yield url
    finally:
        server.terminate()  # ends the kernels too
        server.wait(30)

# The page calls a kernel idle before it has one, and then drops cells: ask the session itself
READY = """() => { const s = window.jupyterapp?.shell.currentWidget?.sessionContext, k = s?.session?.kernel
                   return s?.isReady && k?.connectionStatus === 'connected' && k.status === 'idle' }"""
PROMPTS = "() => [...document.querySelectorAll('.jp-Notebook .jp-CodeCell .jp-InputPrompt')].map(e => e.textContent.trim())"
FAILED = '.jp-Notebook .jp-RenderedText[data-mime-type="application/vnd.jupyter.stderr"]:has-text("Traceback"), .jp-Notebook [data-mime-type="application/vnd.jupyter.error"]'
PICTURES = "() => [...document.querySelectorAll('.jp-Notebook .jp-OutputArea img')].filter(e => e.complete && e.naturalWidth > 0).length"

@pytest.mark.parametrize('nb', TUTORIALS, ids=[p.stem for p in TUTORIALS])
def test_tutorial(nb, page, tmp_path):
    "All cells run without an error, pictures appear, the notebook can be saved, and nothing is asked of another machine"
    folder,home = tmp_path/'work',tmp_path/'home'
    folder.mkdir(); home.mkdir()
    fresh = json.loads(nb.read_text())
    saved = sum('image/png' in o.get('data', {}) for c in fresh['cells'] for o in c.get('outputs', []))
    for c in fresh['cells']:
        if c['cell_type']=='code': c['outputs'] = []
    (folder/nb.name).write_text(json.dumps(fresh))
    with jupyterlab(folder, home) as url:
        page.goto(f'{url}/lab/tree/{nb.name}?reset', wait_until='domcontentloaded')
        page.wait_for_selector('.jp-Notebook .jp-CodeCell', timeout=90_000)
        page.wait_for_function(READY, timeout=90_000)
        page.click('.lm-MenuBar-item:has-text("Run")')
        page.click('.lm-Menu-itemLabel:text-is("Run All Cells")')
        running = [time.time()]
        def done():
            page.wait_for_timeout(250)
            errors,prompts = page.locator(FAILED).all_inner_texts(),page.evaluate(PROMPTS)
            assert not errors, errors[0][-3000:]
            if '[*]:' in prompts: running[0] = time.time()
            assert time.time()-running[0]<60, f'nothing runs any more: {prompts}'
            return bool(prompts) and all(o.strip('[]:').isdigit() for o in prompts)
        until(done, 60*MINUTES, lambda: f'not done after {MINUTES} minutes: {page.evaluate(PROMPTS)}')
        page.wait_for_timeout(1000)
        assert page.evaluate(PICTURES) >= max(saved, 1)
        page.keyboard.press('Control+s')
        page.wait_for_function("() => !document.querySelector('.jp-mod-dirty')", timeout=20_000)
        assert not page.trouble
    outs = [o for c in json.loads((folder/nb.name).read_text())['cells'] if c['cell_type']=='code'
            for o in c['outputs']]
    assert sum('image/png' in o.get('data', {}) for o in outs) >= max(saved, 1)
    assert not [o for o in outs if o['output_type']=='error']
