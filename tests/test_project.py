"The notebooks, the sidebar, the package and its requirements agree."
import ast,builtins,dis,json,re,shutil,subprocess,sys,zipfile
from configparser import ConfigParser
from importlib import import_module
from runpy import run_path
import pytest,yaml
from conftest import ROOT

NBS = sorted(p for p in (ROOT/'nbs').rglob('*.ipynb') if '.ipynb_checkpoints' not in p.parts)
CFG = ConfigParser(delimiters=['='])
CFG.read(ROOT/'settings.ini')
CFG = CFG['DEFAULT']

def ids(ps): return [str(p.relative_to(ROOT/'nbs')) for p in ps]

def hrefs(o):
    "Every notebook named anywhere in a piece of `_quarto.yml`"
    if isinstance(o, dict): return [h for v in o.values() for h in hrefs(v)]
    if isinstance(o, list): return [h for v in o for h in hrefs(v)]
    return [o] if isinstance(o, str) and o.endswith('.ipynb') else []

def test_every_notebook_is_in_the_sidebar_once_and_nothing_else():
    "`_quarto.yml` lists what exists, as `tools/sidebar.py` writes it: four ways in, the library in the order of imports"
    text = (ROOT/'_quarto.yml').read_text()
    side = yaml.safe_load(text)['website']['sidebar']
    assert run_path(str(ROOT/'tools'/'sidebar.py'))['with_sidebar'](text)==text, 'run `python tools/sidebar.py` and commit _quarto.yml'
    assert sorted(hrefs(side)) == sorted(ids(NBS))
    assert [o.get('section', o.get('text')) for o in side['contents']] == ['Overview', 'Start here', 'The papers', 'The library']
    numbers = [int(re.match(r'\d+', h.split('/')[-1])[0]) for h in hrefs(side['contents'][-1])]
    assert numbers==sorted(numbers)

def test_places_that_readme_names_are_there():
    links = re.findall(r'\]\((?!http)([^)#\s]+)', (ROOT/'README.md').read_text())
    assert len(links)>100 and not [o for o in links if not (ROOT/o).exists()]

def test_nothing_strange_lies_at_the_top():
    "What a test or a trial leaves among the sources is not committed"
    if not (ROOT/'.git').exists(): pytest.skip('no checkout')
    files = subprocess.run(['git','-C',ROOT,'ls-files','-z'], capture_output=True, text=True,
                           check=True).stdout.split('\0')
    known = '.ci .gitignore CHANGELOG.md LICENSE MANIFEST.in Makefile README.md _quarto.yml experiments nbs results semistyle settings.ini setup.py tests tools'
    assert {o.split('/')[0] for o in files if o}==set(known.split())

def test_the_sidebar_link_is_the_file_at_the_top():
    "nbdev looks for `nbs/_quarto.yml`"
    assert (ROOT/'nbs'/'_quarto.yml').resolve() == (ROOT/'_quarto.yml').resolve()

@pytest.mark.parametrize('nb', NBS, ids=ids(NBS))
def test_title_cell(nb):
    "The first markdown cell is `# Title` and `> one line`, no more: nbdev keeps nothing else of that cell for the page"
    cell = next(c for c in json.loads(nb.read_text())['cells'] if c['cell_type']=='markdown')
    ok = re.fullmatch(r'# [^#\s].*\n\n?> \S.*\n?', ''.join(cell['source']))
    assert ok, f"move what follows the title of {nb.name} into the next cell"

@pytest.mark.parametrize('nb', NBS, ids=ids(NBS))
def test_saved_outputs(nb):
    "A committed notebook shows what it does: no saved error, and saved output wherever a picture is drawn"
    cells = [c for c in json.loads(nb.read_text())['cells'] if c['cell_type']=='code']
    outs = [o for c in cells for o in c['outputs']]
    assert not [o for o in outs if o['output_type']=='error']
    draws = any(re.search(r'^\s*(show_\w+\(|plt\.show|.*\.imshow\()', ''.join(c['source']), re.M) for c in cells)
    assert not draws or any('image/png' in o.get('data', {})
                            for o in outs), 'draws, but holds no picture: run tools/run_nbs.py'

@pytest.mark.parametrize('nb', [o for o in NBS if o.parent.name=='papers'], ids=lambda o: o.stem)
def test_a_papers_page_ends_in_its_claims(nb):
    "Its last section is the table of claims, computed"
    cells = json.loads(nb.read_text())['cells']
    last = max(i for i,c in enumerate(cells) if ''.join(c['source']).startswith('## '))
    assert re.match("## (The paper's claims|Claims)\n", ''.join(cells[last]['source'])), nb.name
    assert any('claim_row(' in ''.join(c['source']) for c in cells[last:])

def test_a_notebook_imports_only_lower_numbers():
    "The number of a notebook is its place in the order of imports"
    place = lambda nb: re.match(r'\d+[a-z]*', nb.name)[0]  # 02_, 02b_, 02c_, 03_
    num = {m[1]:place(nb) for nb in NBS if (m:=re.search(r'#\|\s*default_exp ([\w.]+)', nb.read_text()))}
    wrong = []
    for nb in NBS:
        for c in json.loads(nb.read_text())['cells']:
            src = ''.join(c['source'])
            if c['cell_type']!='code' or not re.match(r'#\|\s*exports?\b', src): continue
            wrong += [f'{nb.name} imports {m}' for m in re.findall(r'from semistyle\.([\w.]+) import', src)
                      if num.get(m, '99')>=place(nb)]
    assert not wrong

def test_imports_are_required():
    "Every package that a module imports as it loads is in `requirements`"
    dists = {'sklearn':'scikit-learn', 'PIL':'pillow'}
    needs = {re.split(r'[<>=]', o)[0] for o in CFG['requirements'].split()}
    seen = set()
    for p in (ROOT/'semistyle').rglob('*.py'):
        for n in ast.parse(p.read_text()).body:
            if isinstance(n, ast.Import): seen |= {a.name.split('.')[0] for a in n.names}
            elif isinstance(n, ast.ImportFrom) and not n.level: seen.add(n.module.split('.')[0])
    assert {dists.get(o, o) for o in seen - sys.stdlib_module_names - {'semistyle'}} <= needs

def names_in(code):
    "Names that a code object and those within it look up in their module"
    found = {o.argval for o in dis.get_instructions(code) if o.opname in ('LOAD_GLOBAL','LOAD_NAME')}
    return found.union(*(names_in(o) for o in code.co_consts if hasattr(o, 'co_code')))

def test_every_name_is_known():
    "What a module's functions look up is in the module: a notebook's hidden imports can hide that one is missing"
    lost = {}
    for p in (ROOT/'semistyle').rglob('*.py'):
        if p.name=='__init__.py': continue
        known = vars(import_module('.'.join(p.relative_to(ROOT).with_suffix('').parts))).keys() | vars(builtins).keys()
        odd = names_in(compile(p.read_text(), str(p), 'exec'))-known-{'__module__','__qualname__','__name__',
                                                                      '__annotations__'}
        scopes = {o for n in ast.walk(ast.parse(p.read_text())) if isinstance(n, ast.ClassDef) for m in ast.walk(n)
                  for o in
                  ([m.id] if isinstance(m, ast.Name)
                   and isinstance(m.ctx, ast.Store) else [m.name] if isinstance(m, ast.FunctionDef) else [])}
        if odd-scopes: lost[p.name] = odd-scopes
    assert not lost

COLLECT = """
import json,shlex,sys,pytest
class Count:
    def pytest_collection_finish(self, session): self.n = len(session.items)
for line in sys.argv[1:]:
    c = Count(); code = pytest.main(['--collect-only','-qq','-p','no:cacheprovider',*shlex.split(line)], plugins=[c])
    print('COUNT', json.dumps([line, int(code), c.n]))
"""

def test_every_promise_has_its_tests():
    "Each `pytest` line of the page selects tests, each target of `make` exists, and the numbers of cases are those that there are"
    text = ''.join(''.join(c['source'])
                   for c in json.loads((ROOT/'nbs'/'promises.ipynb').read_text())['cells'] if c['cell_type']=='markdown')
    lines = re.findall(r'`pytest ([^`]*)`', text)
    # "`pytest tests/a.py -k b`, and `-k c`"
    files = re.findall(r'`pytest [^`]*?(tests/\S+)[^`]*`[^|]*?`(-k [^`]*)`', text)
    lines += [f'{f} {k}' for f,k in files]
    assert len(lines)>=12
    r = subprocess.run([sys.executable, '-W', 'ignore', '-c', COLLECT, *lines], capture_output=True, text=True,
                       cwd=ROOT)
    counts = [json.loads(o[6:]) for o in r.stdout.split('\n') if o.startswith('COUNT ')]
    assert [o[0] for o in counts]==lines, r.stdout[-500:]+r.stderr[-500:]
    assert not [o for o in counts if o[1] or not o[2]]
    assert {*re.findall(r'`make (\w+)`', text)} <= {*re.findall(r'^(\w+):', (ROOT/'Makefile').read_text(), re.M)}
    n = {o:c for o,_,c in counts}
    assert int(re.search(r'made to do harm \((\d+) of them\)', text)[1])==n['tests/test_hostile.py']
    assert int(re.search(r'test_arguments.py`, (\d+) calls', text)[1])==n['tests/test_arguments.py']

def test_all_is_what_tutorials_need():
    "`from semistyle.all import *`: a few dozen names, none twice, and the only import of ours that a tutorial has"
    from semistyle import all as names
    assert len(set(names.__all__))==len(names.__all__)<=55 and all(hasattr(names, o) for o in names.__all__)
    for nb in (ROOT/'nbs'/'tutorials').glob('*.ipynb'):
        ours = re.findall(r'^ *"(?:from|import) (semistyle[\w.]*)', nb.read_text(), re.M)
        assert ours==['semistyle.all'], f'{nb.name}: {ours}'

def fresh_python(code):
    "What `code` prints in a new process"
    return subprocess.run([sys.executable, '-c', code], check=True, capture_output=True, text=True, cwd=ROOT).stdout

def test_import_is_quick():
    "`import semistyle` loads nothing else: under 0.2 s"
    code = 'import time; t = time.perf_counter(); import semistyle; print(time.perf_counter()-t)'
    assert min(float(fresh_python(code)) for _ in range(3)) < 0.2

def test_only_training_needs_fastai():
    "fastai takes seconds to load: data, models, losses and metrics do without"
    mods = ['.'.join(p.relative_to(ROOT).with_suffix('').parts) for d in ('data','models','losses','metrics')
            for p in (ROOT/'semistyle'/d).glob('[!_]*.py')]
    assert len(mods)>=4
    code = f'import sys; from importlib import import_module; [import_module(o) for o in {mods}]; print("fastai" in sys.modules)'
    assert fresh_python(code).strip()=='False'

def test_wheel(tmp_path):
    "What `pip install .` installs: every module and every file of the shipped models, and no test or tool"
    src = tmp_path/'src'
    shutil.copytree(ROOT/'semistyle', src/'semistyle', ignore=shutil.ignore_patterns('__pycache__'))
    for f in 'settings.ini setup.py MANIFEST.in README.md LICENSE CHANGELOG.md'.split(): shutil.copy(ROOT/f, src)
    cmd = [sys.executable, '-m', 'pip', 'wheel', '-q', '--no-deps', '--no-build-isolation', '-w', str(tmp_path),
           str(src)]
    subprocess.run(cmd, check=True)
    wheel = next(tmp_path.glob('*.whl'))
    assert wheel.stat().st_size < 15e6, 'the shipped models should leave the package under 15 MB'
    with zipfile.ZipFile(wheel) as z: names = {n for n in z.namelist() if '.dist-info/' not in n}
    assert names == {str(p.relative_to(src)) for p in (src/'semistyle').rglob('*') if p.is_file()}
