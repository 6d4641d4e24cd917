"""Run the notebooks' tests with `nbdev_test`, which has neither a time limit nor a count, and add both.

Every notebook is named with its seconds as it ends; the last line counts them."""
import os,re,signal,subprocess,sys,threading,time
from pathlib import Path
from fastcore.script import call_parse

SAID = re.compile(r'(Starting|- Completed) (.*?\.ipynb)')  # two processes may write into one line

@call_parse
def main(
    path:str='nbs',   # Notebook or folder
    flags:str='',     # Space-separated test flags whose cells to run too
    n_workers:int=2,  # Notebooks at a time
    limit:int=1200,   # Seconds for all of them
):
    "Test notebooks, within a time limit, and count them"
    cmd = ['nbdev_test', '--path', path, '--n_workers', str(n_workers), '--do_print', '--flags', flags]
    env = {**os.environ, 'OMP_NUM_THREADS':'1', 'MPLBACKEND':'agg', 'PYTHONUNBUFFERED':'1'}
    p = subprocess.Popen(cmd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env,
                         start_new_session=True)
    late = threading.Event()
    def stop(): late.set(); os.killpg(p.pid, signal.SIGKILL)
    timer = threading.Timer(limit, stop)
    timer.start()
    t0,began,ended,failed = time.time(),{},[],None
    for line in p.stdout:
        for word,fn in SAID.findall(line):
            if word=='Starting': began[fn] = time.time()
            else:
                ended.append(fn)
                print(f'{time.time()-began.get(fn, t0):5.1f} s  {Path(fn).relative_to(Path(path).resolve().parent)}',
                      flush=True)
        rest = SAID.sub('', line)
        if not rest.strip() and rest!=line: continue
        print(rest, end='', flush=True)
        if rest.startswith('nbdev Tests Failed'): failed = 0
        elif failed is not None and rest.startswith('\t'): failed += 1
    rc = p.wait()
    timer.cancel()
    lost = ' '.join(Path(o).name for o in sorted(began.keys()-set(ended)))
    if late.is_set(): print(f'stopped after {limit} s')
    if lost: print(f'not finished, or its process died: {lost}')
    if rc==0 and began: print(f'notebooks: {len(ended)} passed, 0 failed in {time.time()-t0:.0f} s')
    elif failed: print(f'notebooks: {len(ended)-failed} passed, {failed} failed in {time.time()-t0:.0f} s')
    sys.exit(rc!=0 or not began)
