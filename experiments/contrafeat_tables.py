"""Find directions by every method and score them: the rows of ContraFeat's tables (Zhu et al. 2022) on the shipped StyleGAN2 models.

    python experiments/contrafeat_tables.py --model shapes-stylegan2-32 --seeds 3
    python experiments/contrafeat_tables.py --model shapes-stylegan2-32 --seeds 3 --rows ablations

writes one file a row and seed into results/contrafeat_tables/<model>/ and skips those that are there, so an interrupted call goes on with the
next row. All rows of a seed have the same subspace, number of directions, steps, batches and images, the same features and the same
judge: the oracle of the model's world. A generator that takes codes gets random ones. Rows of fixed directions with `att` train ContraFeat's
attention on them; Recog and LatentCLR train it by their own loss, as in the paper's table 4, and in the rows `more` by ContraFeat's on what
they found. `--rows pairs` measures table 8, the losses of exact single-factor changes of the world beside those of mixed ones, and trains
nothing. `--rows judged` is no method: its directions and attention learn from the judge itself, for comparison."""
import time
from pathlib import Path
from fastcore.script import call_parse

both = {'bi':'binary', 'pt':'prototype'}
tables = dict(
    main={m:dict(method=m) for m in ('ganspace','sefa','recog','latentclr','contra-bi','contra-pt')}
        | {f'{m}-att-{k}':dict(method=m, attention=a) for m in ('ganspace','sefa') for k,a in both.items()}
        | {f'{m}-att':dict(method=m, attention='own') for m in ('recog','latentclr')},
    judged={'judged':dict(method='judged')},
    more={f'{m}-att-{k}':dict(method=m, attention=a) for m in ('recog','latentclr') for k,a in both.items()},
    subspace={f'contra-{v}-k{k}':dict(method=f'contra-{v}', k=k) for v in both for k in (6,12,24,48)},
    diversity={f'contra-{v}-div{d:g}':dict(method=f'contra-{v}', diversity=d) for v in both for d in (0,.01,1,10)},
    focus={f'contra-{v}-{f}':dict(method=f'contra-{v}', focus=f) for v in both for f in ('none','pooled')},
    features={f'contra-{v}-{f}':dict(method=f'contra-{v}', features=f) for v in both for f in ('pixels','oracle')})
tables['ablations'] = tables['subspace'] | tables['diversity'] | tables['focus']

def judged(g, attributes, subspace, n_directions, seed, c=None, batches=400, lr=.03):
    "Directions and attention that learn from the judge itself to change one attribute each, in turn, and no other: no method, for comparison"
    import torch
    from semistyle.discover.navigator import Navigator,apply_edit,navigator_directions
    from semistyle.discover.train import frozen
    from semistyle.models.sampling import Sampler
    torch.manual_seed(seed)
    nav,judge = Navigator(n_directions, g.num_ws, g.w_dim, subspace.axes, length=3*subspace.spread),attributes.predict
    opt,rng = torch.optim.Adam(nav.parameters(), lr=lr, betas=(.5,.99)),torch.Generator().manual_seed(seed)
    n,target = 2*n_directions,torch.arange(n_directions)%len(attributes.names)
    with frozen(g, judge):
        for _ in range(batches):
            k = torch.arange(n)%n_directions
            ws,step,v = Sampler(g, c).ws(n, rng),.25+.5*torch.rand(n, generator=rng),nav.variations()[k]
            after,before = (judge(g.synthesis(apply_edit(ws, v, o*step), noise_mode='const')) for o in (1,-1))
            change = (after-before).abs().view(-1, n_directions, len(attributes.names)).mean(0)
            own = change.gather(1, target[:,None])[:,0]
            others = (change.square().sum(1)-own.square()+1e-6).sqrt()
            loss = (others/(own+.02)).mean()
            opt.zero_grad(); loss.backward(); opt.step()
    return navigator_directions(nav, g, meta=dict(kimg=batches*n/1000))

def look_with(name, model, attributes):
    "Features: the discriminator's maps, these and the picture itself, or the maps of the judge, which a method that needs no labels cannot have"
    from semistyle.models.features import DiscriminatorFeatures,OracleFeatures,as_features
    disc = DiscriminatorFeatures(model.discriminator)
    if name=='pixels': return as_features(lambda img: [img, *disc(img)], 'disc_pixels')
    return OracleFeatures(attributes.predict) if name=='oracle' else disc

def score(g, found, attributes, n, seed, c=None):
    "A calibrated step for each direction, and both scores by the paper's mean of changes and by its author's code's change of means"
    import torch
    from semistyle.discover.refine import name_and_score
    from semistyle.metrics.discovery import n_discov,s_disen
    named,res = name_and_score(g, found, attributes, n, seed=seed, c=c)
    signed = torch.tensor(res['signed']).abs()
    return named,res | dict(s_disen_signed=s_disen(signed), n_discov_signed=n_discov(signed, res['protocol']['min_change']))

def run_row(row, settings, seed, model, attributes, subspace, out, command, n, keep, c=None, **common):
    "Find directions by one row's method, score and record them"
    from semistyle.core import record_result
    from semistyle.discover.baselines import find_directions
    from semistyle.discover.navigator import save_directions
    start = time.monotonic()
    features = look_with(settings.get('features'), model, attributes)
    if row=='judged': directions = judged(model.generator, attributes, subspace, common['n_directions'], seed, c)
    else:
        how = common | {k:v for k,v in settings.items() if k!='features'}
        directions = find_directions(model.generator, features, subspace=subspace, seed=seed, c=c, progress=False, **how).directions
    seconds = time.monotonic()-start
    named,res = score(model.generator, directions, attributes, n, seed, c)
    scores = {k:res[k] for k in ('s_disen','n_discov','s_disen_signed','n_discov_signed','n_attributes')}
    line = dict(method=row, model=model.path.name, seed=seed, n_directions=len(named), kimg=round(named.meta.get('kimg', 0), 3), **scores)
    if keep: save_directions(Path(out)/'directions'/row, named)
    record_result(Path(out)/f'{row}-{seed}.json', command, seed, seconds, rows=[line], names=named.names, changes=res['changes'],
                  attention=None if named.attention is None else named.attention.tolist(), protocol=res['protocol'], settings=named.meta)
    print(f"{row:20} {seed}  S_disen {res['s_disen']:.3f}  N_discov {res['n_discov']} of {res['n_attributes']}  {seconds:.0f} s  "
          f"{', '.join(named.names)}", flush=True)

def run_pairs(model, world, n, out, command):
    "Losses of pure and of mixed changes, by what the model's discriminator and the pixels themselves see"
    from semistyle.core import record_result
    from semistyle.losses.contrast import pure_and_mixed
    from semistyle.models.features import DiscriminatorFeatures,as_features
    start = time.monotonic()
    nets = {'discriminator':DiscriminatorFeatures(model.discriminator), 'pixels':as_features(lambda x: x, 'pixels')}
    res = [dict(features=k, focus=f, **v) for k,net in nets.items() for f,v in pure_and_mixed(net, world, n=n).items()]
    record_result(Path(out)/'pairs'/'pairs.json', command, 0, time.monotonic()-start, rows=res, n=n)
    for o in res: print(o, flush=True)

@call_parse
def main(model:str='shapes-stylegan2-32', # Name of a shipped model, or folder of one with generator and discriminator
         rows:str='main',       # A table (main, judged, more, subspace, diversity, focus, features, or ablations for subspace, diversity and focus), pairs, or rows, space-separated
         seeds:int=3,           # Repetitions of each row
         directions:int=12,     # How many each row has
         kimg:float=4.,         # Thousands of images for each row that trains
         minutes:float=None,    # Stop a row's training after this time
         bs:int=8,              # Images in a batch
         lr:float=.02,          # Learning rate of directions and attention
         samples:int=1_000_000, # Samples of w for the subspace
         n:int=200,             # Pictures for the scores
         oracle:str=None,       # Folder of the oracle that judges; the shipped one of the model's world by default
         out:str=''):           # Folder for the results; results/contrafeat_tables/<model> by default
    from semistyle.data.open import load_world
    from semistyle.discover.subspace import informative_subspace
    from semistyle.metrics.discovery import world_attributes
    from semistyle.models.checkpoint import load_model
    every = {k:v for t in tables.values() for k,v in t.items()}
    unknown = [o for o in rows.split() if o not in every] if rows not in (*tables,'pairs') else []
    if unknown: raise ValueError(f"rows should be a table ({', '.join(tables)}), pairs, or among {sorted(every)}, got {unknown}")
    saved = load_model(model)
    out = Path(out or f'results/contrafeat_tables/{saved.path.name}')
    world = load_world(saved.config['world'], saved.generator.img_resolution)
    command = f'python experiments/contrafeat_tables.py --model {model} --rows "{rows}" --seeds {seeds} --kimg {kimg:g} --lr {lr:g}'
    if rows=='pairs': return None if (out/'pairs'/'pairs.json').exists() else run_pairs(saved, world, n, out, command)
    c = saved.space.sample_codes if saved.generator.c_dim else None
    wanted,attributes = tables.get(rows) or {o:every[o] for o in rows.split()},world_attributes(world, oracle and load_model(oracle).oracle)
    for seed in range(seeds):
        todo = {k:v for k,v in wanted.items() if not (out/f'{k}-{seed}.json').exists()}
        subspace = informative_subspace(saved.generator, samples, seed, c=c, progress=False) if todo else None
        for row,settings in todo.items():
            run_row(row, settings, seed, saved, attributes, subspace, out, command, n, keep=seed==0 and row in tables['main'], c=c,
                    n_directions=directions, kimg=kimg, minutes=minutes, bs=bs, lr=lr)
