"""Compute the rows of a table, each with several seeds: one file a row and seed, under results/.

    python experiments/run.py semi_stylegan_table3 --seeds 3 --hours 2 --rows "full no_smoothness" --set "kimg=60"
    python experiments/run.py semi_stylegan_table3 --list

A table is a module in experiments/tables/: its `rows`, the `settings` that --set changes, and `run_row`, which computes and records one; where it
has a function `check`, that refuses settings which do not go together before a row begins, and one `fits` says of a preset whether the rows can start from it.
Rows that are there are skipped, and refused where they were computed with other settings than those asked for. A row that trains a
network for a number of images keeps its folder under runs/experiments/ until it is recorded: cut off, it goes on where it last saved; a search
for directions begins anew. After --hours no row begins, and such a training saves and ends; the same command goes on later."""
import importlib,math,os,shlex,shutil,subprocess,sys,time
from dataclasses import dataclass
from pathlib import Path
from fastcore.script import call_parse,store_true

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE/'tables'))

class TimeIsUp(Exception): "A run was saved and ended, since the hours are over"

class Refusal(ValueError): "What was asked for cannot be done, and why: as a command this is one sentence"

def said(kind, e, trace):
    "A command's last words: a refusal or an interrupt in a sentence, any other error in full"
    if kind is Refusal: print(f'run.py: {e}', file=sys.stderr)
    elif kind is KeyboardInterrupt: print('run.py: interrupted; the same command goes on', file=sys.stderr)
    else: sys.__excepthook__(kind, e, trace)

if __name__=='__main__': sys.excepthook = said

def changes():
    "What differs from the commit, other than results; empty outside a checkout"
    git = subprocess.run(['git','-C',HERE.parent,'status','--porcelain','--','.',':!results'], capture_output=True,
                         text=True)
    return git.stdout.strip()

def clock_until(end):
    "A callback that counts the seconds of a training over all its sessions, and ends one when the hours are over"
    import torch
    from fastai.callback.core import Callback,CancelFitException
    class Clock(Callback):
        order,run_valid,up,before,start = 91,False,False,0.,None
        def before_fit(cb): cb.start = time.monotonic()
        def after_batch(cb):
            if time.monotonic()>end: cb.up = True; raise CancelFitException
        def seconds(cb): return cb.before + (0. if cb.start is None else time.monotonic()-cb.start)
        def get_state(cb): return dict(seconds=torch.tensor(cb.seconds(), dtype=torch.float64))
        def set_state(cb, tensors): cb.before = float(tensors.get('seconds', 0.))
    return Clock()

@dataclass
class Row:
    "A row with one seed: what it is made with, and where it goes"
    name:str; seed:int; how:dict; settings:dict; path:Path; folder:Path; command:str; threads:int; end:float
    table:object=None; dirty:bool=False; before:float=0. # Seconds of its training in earlier sessions
    def __str__(self): return f'{self.name}-{self.seed}'
    @property
    def asked(self): return self.settings | {k:v for k,v in self.how.items() if k in self.settings}
    @property
    def note(self): return self.folder.with_name(f'{self.folder.name}.json')
    def about(self):
        return dict(command=self.command, asked=self.asked) | (dict(dirty=True) if self.dirty or changes() else {})
    def record(self, **fields):
        from semistyle.core import record_result
        return record_result(self.path, seed=self.seed, **self.about(), **fields)
    def other(self):
        "Where the row that is there, or was begun, has another setting: name -> that, and the one asked for"
        there = self.path if self.path.exists() else self.note if self.folder.exists() else None
        was = said_settings(there, self.table.settings, self.how) if there and there.exists() else {}
        aside = getattr(self.table, 'aside', ()) # what makes no difference to a row
        return {k:(was[k],v) for k,v in self.asked.items() if k in was and k not in aside and was[k]!=v}
    def refuse_other(self):
        if not (o := self.other()): return
        was,now = [' and '.join(map(repr, v)) for v in zip(*o.values())]
        place,made,out = ((self.path, 'computed', 'choose another folder for the results (--out), or move it away')
                          if self.path.exists() else (self.folder, 'started', 'finish it so, or remove that folder'))
        raise Refusal(f"{' and '.join(o)} should be {was}, as {place} was {made} with, got {now}: {out}")
    def refuse_settings(self):
        "Where its preset is none, is none for this table, or what is asked for does not fit it: before anything is begun"
        if 'preset' not in self.settings: return
        from semistyle.training.presets import check_taught,get_preset,presets
        name,fits = self.settings['preset'],getattr(self.table, 'fits', lambda name, p: True)
        try:
            p = get_preset(name, **{k:v for k,v in self.asked.items() if k in ('eta','kimg')})
            if not fits(name, p):
                raise ValueError(f"preset should be one of {', '.join(k for k,o in sorted(presets.items()) if fits(k, o))} for "
                                 f"{self.table.__name__}, got {name!r}: choose one of these")
            check_taught(p | {k:v for k,v in self.how.items() if k in p})
        except ValueError as e: raise Refusal(f'--set: {e}') from None
    def until(self, train):
        "What a function trains with a callback that ends it when the hours are over"
        clock = clock_until(self.end)
        res = train(clock)
        if clock.up: raise TimeIsUp
        self.before = clock.before
        return res
    def train(self, **plan):
        "The Learner of a finished run: a new one, or the one in the folder gone on with"
        from semistyle.runs.train import plan_run,train_run
        run = plan_run(self.folder, resume=(self.folder/'run.json').exists(), seed=self.seed, **plan)
        return self.until(lambda o: train_run(self.folder, run, threads=self.threads, progress=False, cbs=[o]))
    def train_vae(self, loader, **how):
        "The same for a VAE: what `train_vae` returns"
        from semistyle.discover.distill import train_vae
        return self.until(lambda o: train_vae(loader, seed=self.seed, save=self.folder, resume=True, progress=False,
                                              cbs=[o], **how))
    def fit(self, learn, kimg):
        "The same for a Learner that the table has made"
        from semistyle.training.callbacks import SaveState,train_to
        self.folder.mkdir(parents=True, exist_ok=True)
        def fit(clock):
            learn.add_cbs([SaveState(self.folder/'state', 5., 120.), clock])
            train_to(learn, kimg, self.folder/'state', resume=True)
        self.until(fit)

def parse(text, known):
    "Settings of 'name=value ...', each of the kind that it is among those known"
    try: words = shlex.split(text)
    except ValueError as e: raise Refusal(f"--set should be like 'kimg=60 n=1000', got {text!r}: {e}") from None
    res = {}
    for o in words:
        k,_,v = o.partition('=')
        if k not in known:
            raise Refusal(f"--set should change settings among {', '.join(known)}, got {o!r}: check the name")
        if k in res: raise Refusal(f"--set should have {k} once, got it twice in {text!r}: leave one out")
        kind = float if known[k] is None else type(known[k])
        try: res[k] = kind(v)
        except ValueError: res[k] = math.nan
        if kind is not str and not 0<=res[k]<math.inf:
            raise Refusal(f"--set should have a {'whole '*(kind is int)}number for {k}, such as "
                             f"{k}={known[k] or 1}, got {o!r}: give one")
    return res

def said_settings(path, known, how):
    "The settings that a result was computed with; of older ones what their command says, or none"
    from semistyle.core import read_json
    said = read_json(path/'config.json')['config'] if path.is_dir() else read_json(path)
    if 'asked' in said: return known | said['asked']
    _,program,*words = shlex.split(said.get('command') or '')+['','']
    flags = {k[2:]:v for k,v in zip(words, words[1:]) if k[:2]=='--'}
    if program=='experiments/run.py': pairs,there = shlex.split(flags.get('set', '')),known
    else: pairs,there = [f'{k}={v}' for k,v in flags.items()]*program.startswith('benchmarks/'),{}
    given = parse(shlex.join(o for o in pairs if o.partition('=')[0] in known), known)
    return {k:v for k,v in (there | given).items() if k not in how}

def choose(table, names, settings, given):
    "Rows by their names or by those of sets of them; a table's first set, or all, where none is named"
    rows,sets = table.rows_of(settings, given) if hasattr(table, 'rows_of') else table.rows,getattr(table, 'sets', {})
    chosen = {k:v for o in names.split() for k,v in sets.get(o, {o:rows.get(o)}).items()}
    chosen = chosen or next(iter(sets.values()), rows)
    if missing := [k for k,v in chosen.items() if v is None]:
        raise Refusal(f"--rows should be among {', '.join(dict.fromkeys([*sets, *rows]))}, got {' '.join(missing)}: "
                         "check the name")
    return chosen

def plan(table, seeds=3, rows='', set='', hours=None, threads=1, out=''):
    "All rows of a command"
    names = sorted(o.stem for o in (HERE/'tables').glob('*.py'))
    if table not in names: raise Refusal(f"table should be among {', '.join(names)}, got {table!r}: check the name")
    for k,v in dict(seeds=seeds, threads=threads).items():
        if v<1: raise Refusal(f"--{k} should be at least 1, got {v}: give more")
    module,said = importlib.import_module(table),dict(seeds=seeds, rows=rows, set=set, hours=hours, threads=threads,
                                                      out=out)
    command = shlex.join(['python','experiments/run.py',
                          table]+[str(o) for k,v in said.items() if v not in ('',None) for o in (f'--{k}',v)])
    given = parse(set, module.settings)
    settings,target = module.settings|given,getattr(module, 'target', lambda row, seed, s: f'{row}-{seed}.json')
    if hasattr(module, 'check'):
        try: module.check(settings)
        except ValueError as e: raise Refusal(f'--set: {e}') from None
    end,every = time.monotonic()+3600*(math.inf if hours is None else hours),{}
    for seed in range(seeds):
        for name,how in choose(module, rows, settings, given).items():
            file = target(name, seed, settings)
            path,folder = Path(out or f'results/{table}')/file,Path('runs/experiments')/table/file.removesuffix('.json')
            # by file: some rows are the same for each seed
            every.setdefault(path, Row(name, seed, how, settings, path, folder, command, threads, end, module))
    return [*every.values()]

@call_parse
def main(table:str,     # Name of a module in experiments/tables/
         seeds:int=3,   # Repetitions of each row
         rows:str='',   # Space-separated rows, or a set of them that the table names
         set:str='',    # Settings of the table to change, such as "kimg=60 n=1000"
         hours:float=None, # Begin no row after so long, and end a run at its next save
         threads:int=1, # Of the processor
         out:str='',    # Folder for the results; results/TABLE by default
         dirty:store_true=False, # Record also what files that are not committed computed; the record says so
         list:store_true=False): # Show what is done and what is left, and compute nothing
    every = plan(table, seeds, rows, set, hours, threads, out)
    def left(): return [o for o in every if not o.path.exists()]
    if list:
        def state(o): return 'done' if o.path.exists() else 'begun' if o.folder.exists() else 'left'
        def why(o): return f', with {said}' if (said := ' '.join(f'{k}={v!r}' for k,(v,_) in o.other().items())) else ''
        return print(*(f'{state(o):6}{o}{why(o)}' for o in every), sep='\n')
    for row in every: row.refuse_other()
    for row in left(): row.refuse_settings()
    if __name__=='__main__': os.nice(10); os.environ['OMP_NUM_THREADS'] = str(threads)
    for row in left():
        if time.monotonic()>=row.end: break
        row.dirty = bool(changed := changes())
        if changed and not dirty:
            raise Refusal(f"all files should be committed, or --dirty given; are not:\n{changed}")
        import torch; torch.set_num_threads(threads)
        from semistyle.core import write_json
        row.note.parent.mkdir(parents=True, exist_ok=True); write_json(row.note, dict(asked=row.asked))
        try: print(row, row.table.run_row(row), flush=True)
        except TimeIsUp: break
        shutil.rmtree(row.folder, ignore_errors=True); row.note.unlink()
    print(f"{len(left())} of {len(every)} left{': '*bool(left())}{' '.join(map(str, left()))}")
