"""Kill small runs at every rename, sync and delete, and at random times, go on with them, and ask whether anything was lost.

    python tools/torture.py                     # every kind of run, at eight moments of each sort and at six random times
    python tools/torture.py train --moments 0   # one kind, at every moment there is
    python tools/torture.py --record results/torture   # and the counts of each kind as a file there, written anew after each kill

A kill is SIGKILL by the process itself, just before or just after its n-th `os.replace`, `os.fsync`, `os.unlink` or `os.rmdir`; at a random time it is
SIGKILL or, every other time, SIGTERM from outside; of a demo, which takes half a minute, only these. Then the command goes on as a user
would: with its option to resume, or from the start where it says that nothing was begun. It must end with exit code 0, and what it made
must have the bytes of a run that nobody disturbed (JSON: all but the time and the machine), with nothing else left in its folder."""
import argparse,io,json,os,random,re,runpy,shutil,signal,sys,tarfile,tempfile,time
from contextlib import redirect_stderr,redirect_stdout
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

EVENTS = 'replace','fsync','unlink','rmdir'
SORTS = [f'{o}{at}' for o in EVENTS for at in '-+']  # before and after each
TINY = ['--set', 'g_args.z_dim=4 g_args.w_dim=16 g_args.channel_base=128 g_args.channel_max=16 d_args.channel_base=128 '
                 'd_args.channel_max=16']
PLAIN = ['--set', ' '.join(f'{o}_args.{k}' for o in 'gd' for k in ('channel_base=64','channel_max=8'))]
RUN,NETS = ['--kimg', '.12', '--save', '.04'],[f'model/{o}.safetensors' for o in ('generator','discriminator')]
MODEL = 'shapes-stylegan2-32'

def photos(home, n=24, side=16):
    "A folder of pictures and its table of labels"
    import numpy as np
    from PIL import Image
    rng,at = np.random.default_rng(0),home/'photos'
    at.mkdir()
    for i in range(n): Image.fromarray(rng.integers(256, size=(side,side,3), dtype=np.uint8)).save(at/f'{i:02}.png')
    (home/'table.csv').write_text('file,hat\n'+''.join(f'{i:02}.png,{i%2}\n' for i in range(n)))
    return at

def labelled(home): return ['--world', photos(home), '--labels', home/'table.csv', '--eta', '.5']

def found(home):
    "A folder of directions"
    code,said,_ = act('discover', [MODEL, '--method', 'sefa', '--directions', 3, '--samples', 200, '--n', 2,
                                   '--distinct', 0], home/'found')
    assert not code, said
    return home/'found'

def tiny(home):
    "A model of few weights, and the package that a page needs, empty"
    from semistyle.models.checkpoint import save_model
    from semistyle.models.stylegan2 import StyleGAN2Generator
    import torch
    torch.manual_seed(0)
    save_model(home/'tiny', {}, generator=StyleGAN2Generator(z_dim=4, w_dim=8, img_resolution=8, channel_base=64,
                                                             channel_max=8))
    with tarfile.open(home/'runtime.tgz', 'w:gz') as t:
        for o in ('ort.wasm.bundle.min.mjs','ort-wasm-simd-threaded.wasm'):
            t.addfile(tarfile.TarInfo(f'package/dist/{o}'))
    return home

def exported(home):
    "A page of a model without factors: along directions"
    home = tiny(home)
    code,said,_ = act('discover', [home/'tiny', '--method', 'sefa', '--directions', 3, '--samples', 200, '--n', 2,
                                   '--distinct', 0], home/'found')
    assert not code, said
    return [home/'tiny', '--runtime', home/'runtime.tgz', '--directions', home/'found', '--opset', 18]

def kind(command, args, files, resume=('--resume',), again=False, out='', to=('--out','{}')):
    "Command and arguments; what to add to go on (`again`: to the arguments), what is in the folder in the end; `out`: the name in it, `to`: how it is told"
    return SimpleNamespace(command=command, args=args, files=files, more=[*args, *resume] if again else [*resume],
                           out=out, to=to)

KINDS = dict(  # each makes what it needs in a folder
    train   =lambda o: kind('train', ['--world', 'sprites', '--preset', 'robot-16', *RUN, *TINY], [*NETS, 'film.png']),
    photos  =lambda o: kind('train', [*labelled(o), '--preset', 'robot-16', *RUN, *TINY],
                            [*NETS, 'film.png', 'labels.json']),
    plain   =lambda o: kind('train', ['--world', 'sprites', '--preset', 'world-16', *RUN, *PLAIN], NETS),
    discover=lambda o: kind('discover', [MODEL, '--kimg', .032, '--samples', 200, '--n', 4, '--directions', 3,
                                         '--distinct', 0],
                            ['directions/directions.safetensors','discovery.json'], again=True),
    pack    =lambda o: kind('data', ['pack', 'sprites', '--resolution', '16', '--workers', '1'],
                            ['images.npy','packed.json'], (), True),
    edit    =lambda o: kind('edit', [photos(o, 2, 32), '--model', MODEL, '--project', '--steps', 4],
                            ['edit/edit.safetensors','before_after.png','result.json'], again=True),
    distill =lambda o: kind('distill', [MODEL, found(o), '--pairs', 64, '--kimg', .05, '--n', 4000],
                            ['vae/vae.safetensors','dimensions.png','distill.json'], again=True),
    eval    =lambda o: kind('eval', ['robot-64', '--n', 100, '--seeds', 2], ['metrics.json'], (), True, 'metrics.json'),
    export  =lambda o: kind('export', exported(o), ['model.onnx','page/index.html'], (), True,
                            to=('--onnx','{}/model.onnx','--page','{}/page')),
    show    =lambda o: kind('show', [tiny(o)/'tiny', '--kind', 'grid'], ['a.png','a.json'], (), True,
                            to=('--out','{}/a.png')),
    **{'import':lambda o: kind('import', [tiny(o)/'tiny', '--n', 2], ['m/generator.safetensors','m.png','m.json'], (),
                               True, to=('--out','{}/m'))},
    demo    =lambda o: kind('demo', ['--minutes', .5], [], (), True))

def _script(command, folder):
    "What pip makes of a console script"
    path = folder/f'semistyle_{command}'
    path.write_text(f'import sys\nfrom semistyle.cli import semistyle_{command}\nsys.exit(semistyle_{command}())\n')
    return str(path)

def act(command, args, out, sort=None, n=0, sign=None, after=0., to=('--out','{}')):
    "Run a command in a forked process that dies at its n-th event, or is sent `sign`; its exit code, what it said, how many events there were"
    r,w = os.pipe()
    pid = os.fork()
    if pid:
        os.close(w)
        if sign: time.sleep(after); os.kill(pid, sign)
        with os.fdopen(r) as f: text = f.read()
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return code,*(json.loads(text) if text else ('', {}))
    os.close(r)
    torch = sys.modules['torch']
    # PyTorch replaces a forked pool of threads at its next use, and aborts where two threads are the first
    torch.set_num_threads(torch.get_num_threads())
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
    for o in EVENTS: watch(o)
    os.set_inheritable(w, False)
    sys.argv = [f'semistyle_{command}', *map(str, args), *(o.format(out) for o in to)]
    try:
        with redirect_stdout(said), redirect_stderr(said):
            runpy.run_path(_script(command, out.parent), run_name='__main__')
    except SystemExit as e: code = e.code or 0
    except BaseException as e: code = 1; said.write(f'{type(e).__name__}: {e}')
    with os.fdopen(w, 'w') as f: f.write(json.dumps([said.getvalue()[-400:], counts]))
    os._exit(code)

def go_on(k, out):
    "As a user goes on: resume, or begin where nothing was begun"
    code,said,_ = act(k.command, k.more, out, to=k.to)
    if code==2 and ('missing' in said or 'nothing' in said): return act(k.command, k.args, out, to=k.to)[:2]
    return code,said

def _content(path):
    "What a file holds; of a result, what does not depend on the moment"
    if path.suffix!='.json': return path.read_bytes()
    def bare(o):
        if isinstance(o, list): return [*map(bare, o)]
        return {a:bare(v) for a,v in o.items() if 'seconds' not in a
                and a not in ('command','machine','commit','sha256')} if isinstance(o, dict) else o
    return bare(json.loads(path.read_text()))

def lost(whole, out, files):
    "What differs from a run that nobody disturbed"
    wrong = [o for o in files if not (out/o).exists() or _content(out/o)!=_content(whole/o)]
    def names(at): return {str(o.relative_to(at)) for o in at.rglob('*')}
    return wrong+sorted(names(out)^names(whole))

def kills(counts, seconds, moments, times, rng):
    "When to kill: (name, arguments of `act`)"
    for sort in SORTS if moments is not None else ():
        total = counts.get(sort[:-1], 0)
        some,last = moments or total,1 if moments==1 else 3
        spread = {1+i*(total-1)//max(1, some-1) for i in range(some) if total}
        for n in sorted({*spread, *range(max(1, total-last+1), total+1)}): yield f'{sort}{n}',dict(sort=sort, n=n)
    for i in range(times):
        sign,after = (signal.SIGKILL,signal.SIGTERM)[i%2],rng.uniform(0, seconds if i else min(1, seconds))
        yield f'{sign.name} after {after:.2f} s',dict(sign=sign, after=after)

def torture(name, home, moments, times=0, seed=0, say=print, record=lambda counts: None):
    "Kill one kind of run at its moments; sentences that say what was lost, and counts, which `record` has after each kill"
    k,whole,bad,n = KINDS[name](home),home/'whole',[],dict(events=0, moments=0, at_moments=0, at_times=0)
    start = time.monotonic()
    whole.mkdir()
    code,said,counts = act(k.command, k.args, whole/k.out, to=k.to)
    seconds = time.monotonic()-start
    say(f'{name}: undisturbed in {seconds:.0f} s, {counts}', flush=True)
    if code: return [f'{name}: the undisturbed run ended with {code}: {said}'],n
    n['events'] = sum(counts.values()); n['moments'] = 2*n['events']
    for at,how in kills(counts, seconds, moments, times, random.Random(seed)):
        out = home/re.sub(r'\W+', '-', at)
        out.mkdir()
        code,said,seen = act(k.command, k.args, out/k.out, **how, to=k.to)
        # the first run made something for all later ones, such as a cache
        if not code and how.get('n', 0)>seen.get(how.get('sort', '')[:-1], 0):
            n['moments'] -= 1; shutil.rmtree(out); record(n | dict(lost=len(bad))); continue
        if code not in ((-signal.SIGKILL,) if 'sort' in how else (how['sign']*-1,130,0)):
            bad.append(f'{name} {at}: ended with {code}: {said}')
        code,said = go_on(k, out/k.out)
        wrong = lost(whole, out, k.files) if not code else []
        if code or wrong:
            bad.append(f'{name} {at}: {f"exit code {code}: {said}" if code else "differs: "+", ".join(wrong)}')
            say(bad[-1], flush=True)
        n['at_moments' if 'sort' in how else 'at_times'] += 1
        for o in home.glob(f'{out.name}*'): shutil.rmtree(o, ignore_errors=True)
        record(n | dict(lost=len(bad)))
    say(f"{name}: {n['at_moments']} kills at {n['moments']} moments and {n['at_times']} at random times, {len(bad)} "
        "lost something", flush=True)
    return bad,n

def main():
    "Kill small runs at chosen moments; exit code 1 when anything was lost"
    # argparse, as `call_parse` takes only one command in a process, and that is the one that is killed
    p = argparse.ArgumentParser(description=main.__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    p.add_argument('kinds', nargs='*', default=[*KINDS], help='Kinds of runs')
    p.add_argument('--moments', type=int, default=8,
                   help='Kills of each sort of event, spread over the run, and its last three; 0: every one')
    p.add_argument('--times', type=int, default=6, help='Kills at random times')
    p.add_argument('--seed', type=int, default=0, help='Of the random times')
    p.add_argument('--record', help='Folder for a file of the counts of each kind')
    args = p.parse_args()
    os.environ['OMP_NUM_THREADS'] = '1'
    import torch
    torch.set_num_threads(1)
    from semistyle.core import record_result
    for o in ('cli','runs.train','runs.discover','runs.page','runs.edit','runs.distill','runs.evaluate','runs.demo',
              'runs.export','runs.show','data.check','data.packed'):
        import_module(f'semistyle.{o}')
    for o in ('onnxruntime','onnxscript','torch.onnx'): import_module(o)
    start,bad,done = time.monotonic(),[],0
    with tempfile.TemporaryDirectory() as tmp:
        for name in args.kinds:
            (Path(tmp)/name).mkdir()
            begun = time.monotonic()
            def record(counts):
                command = f'python tools/torture.py {name} --moments {args.moments} --times {args.times}'
                if args.record:
                    record_result(Path(args.record)/f'{name}.json', command, args.seed, time.monotonic()-begun, counts,
                                  kind=name)
            b,n = torture(name, Path(tmp)/name, None if name=='demo' else args.moments, args.times, args.seed,
                          record=record)
            bad,done = bad+b,done+n['at_moments']+n['at_times']
    print('\n'.join(bad) or 'nothing was lost', f'({done} kills, {time.monotonic()-start:.0f} s)')
    if bad: sys.exit(1)

if __name__=='__main__': main()
