"""Kill small runs at every rename, sync and delete, go on with them, and ask whether anything was lost.

    python tools/torture.py                     # every kind of run, at eight moments of each sort
    python tools/torture.py train --moments 0   # one kind, at every moment there is

A kill is SIGKILL by the process itself, just before or just after its n-th `os.replace`, `os.fsync` or `os.unlink`. Then the command goes
on as a user would: with its option to resume, or from the start where it says that nothing was begun. It must end with exit code 0, and
what it made must have the bytes of a run that nobody disturbed, with nothing else left in its folder."""
import argparse,io,json,os,runpy,shutil,signal,sys,tempfile,time
from contextlib import redirect_stderr,redirect_stdout
from importlib import import_module
from pathlib import Path

SORTS = [f'{o}{at}' for o in ('replace','fsync','unlink') for at in '-+']  # before and after each
TINY = ['--set', 'g_args.z_dim=4 g_args.w_dim=16 g_args.channel_base=128 g_args.channel_max=16 d_args.channel_base=128 d_args.channel_max=16']
PLAIN = ['--set', ' '.join(f'{o}_args.{k}' for o in 'gd' for k in ('channel_base=64','channel_max=8'))]

def photos(home):
    "A folder of pictures and its table of labels"
    import numpy as np
    from PIL import Image
    rng,at = np.random.default_rng(0),home/'photos'
    at.mkdir()
    for i in range(24): Image.fromarray(rng.integers(256, size=(16,16,3), dtype=np.uint8)).save(at/f'{i:02}.png')
    (home/'table.csv').write_text('file,hat\n'+''.join(f'{i:02}.png,{i%2}\n' for i in range(24)))
    return ['--world', at, '--labels', home/'table.csv', '--eta', '.5']

def kinds(home):
    "Name of a kind -> command, its arguments, its option to go on, and what must be there in the end, to the byte"
    nets = ['model/generator.safetensors','model/discriminator.safetensors','state/training_state.safetensors','film.png']
    found = ['directions/directions.safetensors']
    return dict(
        train=('train', ['--world', 'sprites', '--preset', 'robot-16', '--kimg', '.12', '--save', '.04', *TINY], '--resume', nets),
        photos=('train', [*photos(home), '--preset', 'robot-16', '--kimg', '.12', '--save', '.04', *TINY], '--resume', nets),
        plain=('train', ['--world', 'sprites', '--preset', 'world-16', '--kimg', '.12', '--save', '.04', *PLAIN], '--resume', nets),
        discover=('discover', ['shapes-stylegan2-32', '--kimg', '.032', '--samples', '200', '--n', '4', '--directions', '3', '--distinct', '0'], '--resume', found),
        pack=('data', ['pack', 'sprites', '--resolution', '16', '--workers', '1'], None, ['images.npy','packed.json']))

def _script(command, folder):
    "What pip makes of a console script"
    path = folder/f'semistyle_{command}'
    path.write_text(f'import sys\nfrom semistyle.cli import semistyle_{command}\nsys.exit(semistyle_{command}())\n')
    return str(path)

def act(command, args, out, sort=None, n=0):
    "Run a command in a forked process that dies at its n-th event; its exit code, what it said, and how many events there were"
    r,w = os.pipe()
    pid = os.fork()
    if pid:
        os.close(w)
        with os.fdopen(r) as f: text = f.read()
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return code,*(json.loads(text) if text else ('', {}))
    os.close(r)
    said,counts,code = io.StringIO(),{},0
    def watch(name):
        f = getattr(os, name)
        def g(*a, **k):
            counts[name] = counts.get(name, 0)+1
            if sort==name+'-' and counts[name]==n: os.kill(os.getpid(), signal.SIGKILL)
            try: return f(*a, **k)
            finally:
                if sort==name+'+' and counts[name]==n: os.kill(os.getpid(), signal.SIGKILL)
        setattr(os, name, g)
    for o in ('replace','fsync','unlink'): watch(o)
    sys.argv = [f'semistyle_{command}', *map(str, args), '--out', str(out)]
    try:
        with redirect_stdout(said), redirect_stderr(said): runpy.run_path(_script(command, out.parent), run_name='__main__')
    except SystemExit as e: code = e.code or 0
    except BaseException as e: code = 1; said.write(f'{type(e).__name__}: {e}')
    with os.fdopen(w, 'w') as f: f.write(json.dumps([said.getvalue()[-400:], counts]))
    os._exit(code)

def go_on(command, args, resume, out):
    "As a user goes on: resume, or begin where nothing was begun"
    words = args if not resume else [args[0], resume] if command=='discover' else [resume]
    if command=='discover': words = [*args, resume]
    code,said,_ = act(command, words, out)
    if code==2 and ('missing' in said or 'nothing' in said): return act(command, args, out)[:2]
    return code,said

def lost(whole, out, files):
    "What differs from a run that nobody disturbed"
    wrong = [o for o in files if not (out/o).exists() or (out/o).read_bytes()!=(whole/o).read_bytes()]
    have = {o.name for o in out.iterdir()}
    return wrong+sorted(have^{o.name for o in whole.iterdir()})

def torture(kind, home, moments, say=print):
    "Kill one kind of run at its moments; sentences that say what was lost"
    command,args,resume,files = kinds(home/kind)[kind]
    whole,bad,done = home/kind/'whole',[],0
    start = time.monotonic()
    code,said,counts = act(command, args, whole)
    say(f'{kind}: undisturbed in {time.monotonic()-start:.0f} s, {counts}', flush=True)
    if code: return [f'{kind}: the undisturbed run ended with {code}: {said}'],0
    for sort in SORTS:
        total = counts.get(sort[:-1], 0)
        step = max(1, total//moments) if moments else 1
        for n in sorted({*range(1, total+1, step), *range(max(1, total-2), total+1)}):
            out = home/kind/f'{sort}{n}'
            code,_,_ = act(command, args, out, sort, n)
            if code!=-signal.SIGKILL: bad.append(f'{kind} {sort}{n}: was not killed ({code})'); continue
            code,said = go_on(command, args, resume, out)
            wrong = lost(whole, out, files) if not code else []
            if code or wrong: bad.append(f'{kind} {sort}{n}: {f"exit code {code}: {said}" if code else "differs: "+", ".join(wrong)}')
            done += 1
            shutil.rmtree(out, ignore_errors=True)
    say(f'{kind}: {done} kills, {len(bad)} lost something', flush=True)
    return bad,done

def main():
    "Kill small runs at chosen moments; exit code 1 when anything was lost"
    # argparse, as `call_parse` takes only one command in a process, and that is the one that is killed
    p = argparse.ArgumentParser(description=main.__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    p.add_argument('kinds', nargs='*', default=['train','photos','plain','discover','pack'], help='Kinds of runs')
    p.add_argument('--moments', type=int, default=8, help='Kills of each sort of event, and its last three; 0: every one')
    args = p.parse_args()
    os.environ['OMP_NUM_THREADS'] = '1'
    import torch
    torch.set_num_threads(1)
    for o in ('cli','runs.train','runs.discover','runs.page','data.check','data.packed'): import_module(f'semistyle.{o}')
    start,bad = time.monotonic(),[]
    with tempfile.TemporaryDirectory() as tmp:
        for kind in args.kinds:
            (Path(tmp)/kind).mkdir()
            bad += torture(kind, Path(tmp), args.moments)[0]
    print('\n'.join(bad) or 'nothing was lost', f'({time.monotonic()-start:.0f} s)')
    if bad: sys.exit(1)

if __name__=='__main__': main()
