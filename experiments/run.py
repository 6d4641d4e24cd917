"""Compute the rows of a table, each with several seeds: one file a row and seed, under results/.

    python experiments/run.py semi_stylegan_table3 --seeds 3 --hours 2 --rows "full no_smoothness" --set "kimg=60"
    python experiments/run.py semi_stylegan_table3 --list

A table is a module in experiments/tables/: its `rows`, the `settings` that --set changes, and `run_row`, which computes and records one.
Rows that are there are skipped. A row that is a run keeps its folder under runs/experiments/ until it is recorded: cut off, it goes on
where it last saved. After --hours no row begins, and a run saves and ends; the same command goes on later."""
import importlib,math,os,shlex,shutil,subprocess,sys,time
from dataclasses import dataclass
from pathlib import Path
from fastcore.script import call_parse,store_true

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE/'tables'))

class TimeIsUp(Exception): "A run was saved and ended, since the hours are over"

def changes():
    "What differs from the commit, other than results; empty outside a checkout"
    git = subprocess.run(['git','-C',HERE.parent,'status','--porcelain','--','.',':!results'], capture_output=True,
                         text=True)
    return git.stdout.strip()

@dataclass
class Row:
    "A row with one seed: what it is made with, and where it goes"
    name:str; seed:int; how:dict; settings:dict; path:Path; folder:Path; command:str; threads:int; end:float
    dirty:bool=False
    def __str__(self): return f'{self.name}-{self.seed}'
    def about(self): return dict(command=self.command) | (dict(dirty=True) if self.dirty or changes() else {})
    def record(self, **fields):
        from semistyle.core import record_result
        return record_result(self.path, seed=self.seed, **self.about(), **fields)
    def train(self, **plan):
        "The Learner of a finished run: a new one, or the one in the folder gone on with"
        from fastai.callback.core import Callback,CancelFitException
        from semistyle.runs.train import plan_run,train_run
        class Until(Callback):
            order,run_valid,up = 91,False,False
            def after_batch(cb):
                if time.monotonic()>self.end: cb.up = True; raise CancelFitException
        until,old = Until(),(self.folder/'run.json').exists()
        learn = train_run(self.folder, plan_run(self.folder, resume=old, seed=self.seed, **plan), threads=self.threads,
                          progress=False, cbs=[until])
        if until.up: raise TimeIsUp
        return learn

def change(settings, text):
    "Settings with those of 'name=value ...' replaced, each of the kind that it was"
    res = dict(settings)
    for o in shlex.split(text):
        k,_,v = o.partition('=')
        try: res[k] = (float if settings[k] is None else type(settings[k]))(v)
        except (KeyError,ValueError):
            raise ValueError(f"--set should have settings like {settings}, got {o!r}") from None
    return res

def choose(table, names, settings):
    "Rows by their names or by that of a set of them; a table's first set, or all, where none is named"
    rows,sets = getattr(table, 'rows_of', lambda s: table.rows)(settings),getattr(table, 'sets', {})
    chosen = sets.get(names) or {k:rows.get(k) for k in names.split()} or next(iter(sets.values()), rows)
    if missing := [k for k,v in chosen.items() if v is None]:
        raise ValueError(f"--rows should be among {', '.join([*sets, *rows])}, got {' '.join(missing)}")
    return chosen

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
    end,names = time.monotonic()+3600*(math.inf if hours is None else hours),sorted(o.stem for o in (HERE/'tables').glob('*.py'))
    if table not in names: raise ValueError(f"table should be among {', '.join(names)}, got {table!r}")
    module,given = importlib.import_module(table),dict(seeds=seeds, rows=rows, set=set, hours=hours, threads=threads,
                                                       out=out)
    command = shlex.join(['python','experiments/run.py',
                          table]+[str(o) for k,v in given.items() if v not in ('',None) for o in (f'--{k}',v)])
    settings,target = change(module.settings, set),getattr(module, 'target', lambda row, seed, s: f'{row}-{seed}.json')
    every = {}  # by file: some rows are the same for each seed
    for seed in range(seeds):
        for name,how in choose(module, rows, settings).items():
            file = target(name, seed, settings)
            path,folder = Path(out or f'results/{table}')/file,Path('runs/experiments')/table/file.removesuffix('.json')
            every.setdefault(path, Row(name, seed, how, settings, path, folder, command, threads, end))
    def left(): return [o for o in every.values() if not o.path.exists()]
    if list:
        return print(*(f"{'done' if o.path.exists() else 'begun' if o.folder.exists() else 'left':6}{o}"
                       for o in every.values()), sep='\n')
    if __name__=='__main__': os.nice(10); os.environ['OMP_NUM_THREADS'] = str(threads)
    for row in left():
        if time.monotonic()>=end: break
        row.dirty = bool(changed := changes())
        if changed and not dirty:
            raise ValueError(f"all files should be committed, or --dirty given; are not:\n{changed}")
        import torch; torch.set_num_threads(threads)
        try: print(row, module.run_row(row), flush=True)
        except TimeIsUp: break
        shutil.rmtree(row.folder, ignore_errors=True)
    print(f"{len(left())} of {len(every)} left{': '*bool(left())}{' '.join(map(str, left()))}")
