"What the tests share: the `--slow` switch, and a real Chromium where there is one."
import functools,http.server,os,shutil,signal,threading
from pathlib import Path
import pytest

ROOT = Path(__file__).parents[1]
# As root, without a GPU, and with nothing of the browser's own on the network
CHROMIUM_ARGS = ('--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking '
                 '--disable-component-update --disable-sync').split()

# Started in the background of a script, a process ignores Ctrl-C and so do its children, whose Ctrl-C is tested here
if signal.getsignal(signal.SIGINT)==signal.SIG_IGN: signal.signal(signal.SIGINT, signal.default_int_handler)

def pytest_addoption(parser): parser.addoption('--slow', action='store_true', help='run the tests marked slow too')

def pytest_configure(config):
    config.addinivalue_line('markers', 'slow: takes minutes; run with --slow, as `make test-all` does')

LONGEST = 'test_quickstart test_processes test_together test_folders test_discover_tables'.split() # first, so that none ends alone

def pytest_collection_modifyitems(config, items):
    items.sort(key=lambda o: LONGEST.index(o.path.stem) if o.path.stem in LONGEST else len(LONGEST))
    if config.getoption('--slow'): return
    for o in items:
        if 'slow' in o.keywords: o.add_marker(pytest.mark.skip(reason='slow: run `make test-all`'))

@pytest.fixture(scope='session')
def browser():
    "A running Chromium; the test is skipped, and says so, where there is none"
    api = pytest.importorskip('playwright.sync_api', reason='Chromium is driven by playwright, which is not installed')
    names = os.environ.get('CHROMIUM', ''),'chromium','chromium-browser','google-chrome'
    exe = next(filter(None, map(shutil.which, names)), None)
    if not exe: pytest.skip('Chromium is not installed: `apt-get install chromium`, or name it in $CHROMIUM')
    with api.sync_playwright() as p:
        b = p.chromium.launch(executable_path=exe, args=CHROMIUM_ARGS)
        yield b
        b.close()

@pytest.fixture(scope='session')
def docs():
    "The folder of the built site; the test is skipped, and says so, where it is missing or older than a notebook"
    out = ROOT/'_docs'
    if not (out/'index.html').exists(): pytest.skip('the docs are not built: `make docs`')
    built = (out/'index.html').stat().st_mtime
    late = [p.name for p in (ROOT/'nbs').rglob('*.ipynb') if p.stat().st_mtime>built
            and '.ipynb_checkpoints' not in p.parts]
    if late: pytest.skip(f'the docs are older than {late[0]}: `make docs`')
    return out

class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args): pass

@pytest.fixture(scope='session')
def site(docs):
    "The address of the built site, served on this machine"
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(Quiet, directory=str(docs)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{server.server_port}'
    server.shutdown()

@pytest.fixture
def page(browser):
    "A fresh browser page that keeps in `.trouble` what it could not load, what it asked of other machines, and script errors"
    ctx = browser.new_context(viewport=dict(width=1280, height=900))
    pg = ctx.new_page()
    pg.trouble = []
    pg.on('request', lambda r: r.url.startswith(('http://127.0.0.1:','ws://127.0.0.1:','data:','blob:'))
          or pg.trouble.append(f'outside: {r.url}'))
    # aborted: by the page
    pg.on('requestfailed', lambda r: 'ERR_ABORTED' in (r.failure or '') or pg.trouble.append(f'failed: {r.url} {r.failure}'))
    pg.on('response', lambda r: r.status<400 or pg.trouble.append(f'{r.status}: {r.url}'))
    pg.on('pageerror', lambda e: pg.trouble.append(f'script: {e}'))
    yield pg
    ctx.close()
