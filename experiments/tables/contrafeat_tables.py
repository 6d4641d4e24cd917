"""Find directions by every method and score them: the rows of ContraFeat's tables (Zhu et al. 2022) on the shipped StyleGAN2 models.

    python experiments/run.py contrafeat_tables --seeds 3 --set "model=shapes-stylegan2-32"
    python experiments/run.py contrafeat_tables --seeds 3 --set "model=shapes-stylegan2-32" --rows ablations

All rows of a seed have the same subspace, number of directions, steps, batches and images, the same features and the same
judge: the oracle of the model's world. A generator that takes codes gets random ones. Rows of fixed directions with `att` train ContraFeat's
attention on them; Recog and LatentCLR train it by their own loss, as in the paper's table 4, and in the rows `more` by ContraFeat's on what
they found. `--rows windows` has a person's choice in place of attention: for each direction the cleanest of all contiguous ranges of
layers. `--rows region` has prototypes (the paper's future work: of regions) that may change pictures of `shapes` where the object is alone, beside the same without
that, and measures for both how much of the change lies there. `--rows pairs` measures table 8, the losses of exact single-factor changes of the world beside those of mixed ones, and trains
nothing. `--rows judged` is no method: a direction for each attribute and its attention learn from the judge itself, for comparison."""
import time
from functools import lru_cache
from pathlib import Path

settings = dict(
    model='shapes-stylegan2-32', # Name of a shipped model, or folder of one with generator and discriminator
    directions=12,       # How many each row has
    kimg=4.,             # Thousands of images for each row that trains
    minutes=None,        # Stop a row's training after this time
    bs=8,                # Images in a batch
    lr=.02,              # Learning rate of directions and attention
    samples=1_000_000,   # Samples of w for the subspace
    n=200,               # Pictures for the scores
    oracle='',           # Folder of the oracle that judges; the shipped one of the model's world by default
    second='',           # A model whose generator teaches another judge, which reads no label, such as robot-64
    second_kimg=150.)    # Thousands of its pictures that this judge learns from

both = {'bi':'binary', 'pt':'prototype'}
sets = dict(
    main={m:dict(method=m) for m in ('ganspace','sefa','recog','latentclr','contra-bi','contra-pt')}
        | {f'{m}-att-{k}':dict(method=m, attention=a) for m in ('ganspace','sefa') for k,a in both.items()}
        | {f'{m}-att':dict(method=m, attention='own') for m in ('recog','latentclr')},
    judged={'judged':dict(method='judged')},
    more={f'{m}-att-{k}':dict(method=m, attention=a) for m in ('recog','latentclr') for k,a in both.items()},
    subspace={f'contra-{v}-k{k}':dict(method=f'contra-{v}', k=k) for v in both for k in (6,12,24,48)},
    diversity={f'contra-{v}-div{d:g}':dict(method=f'contra-{v}', diversity=d) for v in both for d in (0,.01,1,10)},
    focus={f'contra-{v}-{f}':dict(method=f'contra-{v}', focus=f) for v in both for f in ('none','pooled')},
    windows={f'{m}-window':dict(method=m, windows=True) for m in ('ganspace','sefa')},
    features={f'contra-{v}-{f}':dict(method=f'contra-{v}', features=f)
              for v in both for f in ('pixels','imagenet','oracle')},
    tuned={f'{m}-lr{o:g}':dict(method=m, lr=o) for m in ('recog','latentclr','contra-bi','contra-pt')
           for o in (.005,.08)}
        | {'latentclr-tau2':dict(method='latentclr', term_args=dict(tau=2.)), # as its authors' code has it
           'recog-long':dict(method='recog', longer=4)})
sets['region'] = {'contra-pt-object':dict(method='contra-pt', region=False), 'contra-pt-region':dict(method='contra-pt', region=True)}
sets['ablations'] = sets['subspace'] | sets['diversity'] | sets['focus']
sets['pairs'] = {'pairs':{}}
rows = {k:v for t in sets.values() for k,v in t.items()}

def target(row, seed, settings):
    return f"{Path(settings['model']).name}/" + ('pairs/pairs.json' if row=='pairs' else f'{row}-{seed}.json')

def judged(g, attributes, subspace, seed, c=None, batches=600, starts=2, lr=.03, want=.2):
    "For each attribute the cleanest direction that the judge itself can teach, with its attention: no method, for comparison"
    import torch
    from semistyle.discover.navigator import Navigator,apply_edit,navigator_directions
    from semistyle.discover.refine import name_and_score
    from semistyle.discover.train import frozen
    from semistyle.metrics.discovery import relative_changes
    from semistyle.models.sampling import Sampler
    torch.manual_seed(seed)
    m,judge,rng = len(attributes.names),attributes.predict,torch.Generator().manual_seed(seed)
    nav,target = Navigator(starts*m, g.num_ws, g.w_dim, subspace.axes, length=3*subspace.spread),torch.arange(starts*m)%m
    opt = torch.optim.Adam(nav.parameters(), lr=lr, betas=(.5,.99))
    falls = torch.optim.lr_scheduler.CosineAnnealingLR(opt, batches, lr/20)
    def of_target(x): return x.gather(1, target[:,None])
    def without(x): return x.scatter(1, target[:,None], 0.)
    with frozen(g, judge):
        with torch.no_grad():    # an attribute that no small step changes has no gradient: start where it is read together with W
            ws = Sampler(g, c).ws(4000, seed)
            read = torch.cat([judge(Sampler(g).of_ws(o)) for o in ws.split(100)])
            along = (read-read.mean(0)).T@(ws[:,0]-ws[:,0].mean(0))@nav.basis.T
            nav.coefficients[:m] = along/along.norm(dim=1, keepdim=True).clamp(min=1e-12)*along.shape[1]**.5
            nav.logits *= .3
        scale = torch.full([len(target)], .3)
        for i in range(batches): # two pictures for each direction: ratios are of running means, which so few do not shake
            k = torch.arange(2*len(target))%len(target)
            ws,step,v = Sampler(g, c).ws(len(k), rng),scale[k]*(.5+torch.rand(len(k), generator=rng)),nav.variations()[k]
            after,before = (judge(g.synthesis(apply_edit(ws, v, o*step), noise_mode='const')) for o in (1,-1))
            change = (after-before).abs().view(2, len(target), m).mean(0)
            mean = change.detach() if i==0 else mean.lerp(change.detach(), .1)
            own,others = of_target(mean).clamp(min=want/10),without(mean)
            size = others.norm(dim=1, keepdim=True).clamp(min=1e-6)
            loss = ((others/size*change).sum(1, keepdim=True)/own - size*of_target(change)/own**2).mean() # to first order, of size/own
            opt.zero_grad(); loss.backward(); opt.step(); falls.step()
            scale = (scale*(want/own[:,0])**.1).clamp(.02, 2) # to the change that scores are taken at
    found = navigator_directions(nav, g, meta=dict(kimg=2*len(target)*batches/1000))
    _,res = name_and_score(g, found, attributes, 48, seed=seed+10_000, c=c) # on other pictures than those of the scores
    changes = torch.tensor(res['changes']); shares = relative_changes(changes)
    gap = (of_target(shares)[:,0]-without(shares).amax(1)).where(changes.amax(1)>res['protocol']['min_change'], -1)
    return found.select((gap.view(starts, m).argmax(0)*m+torch.arange(m)).tolist())

def best_windows(g, found, attributes, seed, c=None, n=24):
    "Directions in the range of layers in which each is cleanest, by other pictures than those of the scores: what a patient person would choose"
    import torch
    from semistyle.discover.navigator import Directions
    from semistyle.discover.refine import name_and_score
    from semistyle.metrics.discovery import relative_changes
    at = torch.arange(g.num_ws)
    ranges = torch.stack([(a<=at)&(at<b) for a in range(g.num_ws) for b in range(a+1, g.num_ws+1)]).float()
    every = Directions((found.variations[:,None]*ranges[...,None]).flatten(0, 1), found.owner)
    _,res = name_and_score(g, every, attributes, n, seed=seed+10_000, c=c)
    changes = torch.tensor(res['changes'])
    gap = relative_changes(changes).topk(2, dim=1).values.diff()[:,0].neg().where(changes.amax(1)>res['protocol']['min_change'], -1)
    best = ranges[gap.view(len(found), -1).argmax(1)]
    return Directions(found.variations*best[...,None], found.owner, attention=best, meta=found.meta)

def look_with(name, model, attributes):
    "Features: the discriminator's maps, these and the picture itself, an ImageNet network's, or the maps of the judge, which a method that needs no labels cannot have"
    from semistyle.models.features import DiscriminatorFeatures,OracleFeatures,as_features
    from semistyle.models.imagenet import EfficientNetLite0
    if name=='imagenet': return EfficientNetLite0(size=128)
    disc = DiscriminatorFeatures(model.discriminator)
    if name=='pixels': return as_features(lambda img: [img, *disc(img)], 'disc_pixels')
    return OracleFeatures(attributes.predict) if name=='oracle' else disc

def object_region(world, read):
    "Where the object is in pictures, and a pixel beyond: what the oracle reads in each, drawn by the world itself; images -> [N,H,W]"
    import numpy as np,torch
    from torch.nn import functional as F
    if not hasattr(world, 'masks'): raise ValueError(f"model should draw shapes for the rows of a region, draws {world.name}: choose another")
    g = world.geometry
    every = np.concatenate([np.zeros((len(g),3), int), g.to_factors(np.arange(len(g)))], 1)
    masks = F.max_pool2d(torch.from_numpy(world.masks(every))[:,None], 3, 1, 1)[:,0]
    @torch.no_grad()
    def where(img): return masks[torch.as_tensor(g.to_index(world.space.from_codes(read(img))[:,3:]))]
    return where

def inside(g, named, where, n, seed, c=None):
    "How much of the squared change by a step of each direction lies in the region, [n_dirs]; and of how much of the pictures it is made"
    import torch
    from semistyle.models.sampling import Sampler
    ws = Sampler(g, c).ws(n, seed); start = Sampler(g).of_ws(ws); m = where(start)[:,None]
    steps = torch.ones(len(named)) if named.steps is None else named.steps
    changes = [(Sampler(g).of_ws(ws+t*v)-start).square().sum(1, keepdim=True) for v,t in zip(named.variations, steps)]
    return torch.stack([(o*m).sum()/o.sum().clamp(min=1e-12) for o in changes]).tolist(),float(m.mean())

def score(g, found, attributes, n, seed, c=None):
    "A calibrated step for each direction, and both scores by the paper's mean of changes and by its author's code's change of means"
    import torch
    from semistyle.discover.refine import name_and_score
    from semistyle.metrics.discovery import n_discov,s_disen
    named,res = name_and_score(g, found, attributes, n, seed=seed, c=c)
    signed = torch.tensor(res['signed']).abs()
    return named,res | dict(s_disen_signed=s_disen(signed),
                            n_discov_signed=n_discov(signed, res['protocol']['min_change']))

@lru_cache(1)
def subject(model, oracle):
    "A model, its world, and the attributes that the oracle reads"
    from semistyle.data.open import load_world
    from semistyle.metrics.discovery import world_attributes
    from semistyle.models.checkpoint import load_model
    saved = load_model(model)
    world = load_world(saved.config['world'], saved.generator.img_resolution)
    return saved,world,world_attributes(world, load_model(oracle).oracle if oracle else None)

@lru_cache(1)
def subspace_of(model, oracle, samples, seed):
    "The subspace that all rows of a seed share"
    from semistyle.discover.subspace import informative_subspace
    saved,*_ = subject(model, oracle)
    return informative_subspace(saved.generator, samples, seed, c=codes(saved), progress=False)

@lru_cache(1)
def judge_without_labels(name, side, kimg):
    "The paper's judge: what a disentangled generator was asked for, regressed from its pictures"
    from semistyle.metrics.discovery import regressed_attributes
    from semistyle.models.checkpoint import load_model
    saved = load_model(name)
    return regressed_attributes(saved.generator, saved.space, side=side, kimg=kimg, progress=False)

def check(s):
    "Refuse a second judge of another world than the model's"
    from semistyle.models.checkpoint import load_model
    if not s['second']: return
    own,judge = (load_model(s[k]) for k in ('model','second'))
    if judge.space is None or own.config.get('world')!=judge.config.get('world'):
        raise ValueError(f"second should be a model of {own.config.get('world')} that was taught factors, {s['second']} is "
                         f"{'of '+str(judge.config.get('world')) if judge.space else 'taught none'}: choose another")

def codes(saved): return saved.space.sample_codes if saved.generator.c_dim else None

def run_row(row):
    "Find directions by one row's method, score and record them"
    from semistyle.discover.baselines import find_directions
    from semistyle.discover.navigator import save_directions
    from semistyle.discover.train import InsideRegion
    s,more = row.settings,{}
    model,world,attributes = subject(s['model'], s['oracle'])
    if row.name=='pairs': return run_pairs(row, model, world)
    subspace,c = subspace_of(s['model'], s['oracle'], s['samples'], row.seed),codes(model)
    where = object_region(world, attributes.predict) if 'region' in row.how else None
    start,features = time.monotonic(),look_with(row.how.get('features'), model, attributes)
    if row.name=='judged': directions = judged(model.generator, attributes, subspace, row.seed, c)
    else:
        how = {k:s[k] for k in ('kimg','minutes','bs','lr')} | row.how
        how = {k:v for k,v in how.items() if k not in ('features','windows','longer','region')}
        if row.how.get('region'): how['cbs'] = [InsideRegion(where)]
        how['kimg'] *= row.how.get('longer', 1)
        directions = find_directions(model.generator, features, subspace=subspace, n_directions=s['directions'],
                                     seed=row.seed, c=c, progress=False, **how).directions
    if row.how.get('windows'): directions = best_windows(model.generator, directions, attributes, row.seed, c)
    seconds = time.monotonic()-start
    named,res = score(model.generator, directions, attributes, s['n'], row.seed, c)
    scores = {k:res[k] for k in ('s_disen','n_discov','s_disen_signed','n_discov_signed','n_attributes')}
    if s['second']:
        _,by_second = score(model.generator, directions,
                       judge_without_labels(s['second'], model.generator.img_resolution, s['second_kimg']), s['n'],
                       row.seed, c)
        scores |= {f'{k}_regressed':by_second[k] for k in ('s_disen','n_discov','s_disen_signed','n_discov_signed',
                                                      'n_attributes')}
    if where:
        more['inside'],area = inside(model.generator, named, where, s['n'], row.seed, c)
        scores |= dict(inside=sum(more['inside'])/len(named), area=area)
    line = dict(method=row.name, model=model.path.name, seed=row.seed, n_directions=len(named),
                kimg=round(named.meta.get('kimg', 0), 3), **scores)
    if row.seed==0 and row.name in sets['main'] | sets['region']: save_directions(row.path.parent/'directions'/row.name, named)
    row.record(seconds=seconds, rows=[line], names=named.names, changes=res['changes'], protocol=res['protocol'],
               settings=named.meta, attention=None if named.attention is None else named.attention.tolist(), **more)
    return f"S_disen {res['s_disen']:.3f}  N_discov {res['n_discov']} of {res['n_attributes']}  {seconds:.0f} s  {', '.join(named.names)}"

def run_pairs(row, model, world):
    "Losses of pure and of mixed changes, by what the model's discriminator and the pixels themselves see"
    from semistyle.losses.contrast import pure_and_mixed
    from semistyle.models.features import DiscriminatorFeatures,as_features
    start,n = time.monotonic(),row.settings['n']
    nets = {'discriminator':DiscriminatorFeatures(model.discriminator), 'pixels':as_features(lambda x: x, 'pixels')}
    res = [dict(features=k, focus=f, **v) for k,net in nets.items() for f,v in pure_and_mixed(net, world, n=n).items()]
    row.record(seconds=time.monotonic()-start, rows=res, n=n)
    return res
