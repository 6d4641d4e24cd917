"Run the commands as a user does: their own console scripts, in this process (its imports are paid once) or in another."
import contextlib,io,os,runpy,shutil,subprocess,sys
from pathlib import Path
from types import SimpleNamespace
import pytest

NAMES = 'semistyle_demo semistyle_train semistyle_eval semistyle_show semistyle_export semistyle_discover semistyle_edit semistyle_distill semistyle_import semistyle_data semistyle_bench'.split()
ONE_THREAD = dict(OMP_NUM_THREADS='1', MPLBACKEND='agg')
TINY = ['--world', 'sprites', '--preset', 'robot-16', '--kimg', '.4']  # 50 batches of 8

def script(name):
    "The console script that pip made; the test is skipped where there is none"
    path = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if not path: pytest.skip(f'{name} is not installed: `pip install -e .`')
    return path

def run(name, *args):
    "Run a command in this process: its exit code, and what it wrote to standard output and error"
    out,err,argv = io.StringIO(),io.StringIO(),sys.argv
    path,code = script(name),0
    sys.argv = [path, *map(str, args)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err): runpy.run_path(path, run_name='__main__')
    except SystemExit as e: code = e.code or 0
    finally: sys.argv = argv
    return SimpleNamespace(code=code, out=out.getvalue(), err=err.getvalue())

def start(name, *args, **kwargs):
    "Start a command in a process of its own, on one thread"
    return subprocess.Popen([sys.executable, script(name), *map(str, args)], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, env=os.environ | ONE_THREAD, **kwargs)

def refuses(name, *args, says=()):
    "The command ends with code 2 and one sentence on standard error, which has all of `says`"
    r = run(name, *args)
    assert r.code==2, (r.code, r.err)
    said = [o for o in r.err.split('\n') if o and '\r' not in o]  # all but progress bars
    assert len(said)==1 and said[0].startswith(f'{name}: '), r.err
    last = said[0]
    for o in says: assert o in last, last
    return last
