"""Compose two discovered directions into pictures that no training picture is like (Zhu et al. 2022, fig. 1: long hair with a beard).

    python experiments/run.py contrafeat_composed --seeds 1

A StyleGAN2 is trained on a world without one combination: the last value of one factor with the upper half of another. In it directions are
found, named and given steps as in ContraFeat's tables. Pictures are then moved along the cleanest direction of either factor, alone and
together, by whole steps; where the oracle reads the combination, it has been reached. So that a picture which only fools the oracle is
told, each is compared with the world's own picture of what is read in it."""
import time

settings = dict(
    preset='world-32',   # Settings of the generator
    world='shapes',      # Rendered world with a shipped oracle
    one='shape',         # Factor of which the last value is held out ...
    other='scale',       # ... together with the upper half of this one
    kimg=400.,           # Thousands of images for the generator
    directions=12,       # How many each method finds
    search_kimg=4.,      # Thousands of images for each search
    samples=1_000_000,   # Samples of w for the subspace
    most=4,              # Steps to either side
    n=200)               # Pictures for scores, and to be moved
rows = {'left_out': dict(whole=False), 'whole': dict(whole=True)} # the second: the same with every picture in training
methods = 'contra-bi','contra-pt','ganspace','sefa'

def fits(name, p):
    "Whether a preset is of StyleGAN2"
    return p['kind']=='stylegan2'

def target(row, seed, settings): return f"{settings['world']}-{settings['one']}-{settings['other']}/{row}-{seed}.json"

def check(s):
    "Refuse what is no pair of a world's factors"
    from semistyle.data.open import load_world
    names = load_world(s['world'], 16).space.names
    if s['one'] not in names or s['other'] not in names or s['one']==s['other']:
        raise ValueError(f"one and other should be two of {', '.join(names)}, got {s['one']} and {s['other']}: check the names")

def is_held_out(space, codes, one, other):
    "Where codes [N,m] are nearest to the last value of one factor and to the upper half of the other's"
    at = {k:(codes[:,i]*(space.sizes[i]-1)).round() for i,k in enumerate(space.names)}
    size = dict(zip(space.names, space.sizes))
    return (at[one]>=size[one]-1) & (at[other]>=size[other]/2)

def cleanest(named, changes, names, factor):
    "Number of the direction that changes this factor most, and others least beside it; None where there is none"
    import torch
    from semistyle.metrics.discovery import relative_changes
    changes = torch.tensor(changes)
    gap,mine = relative_changes(changes).topk(2, dim=1).values.diff()[:,0].neg(),changes.argmax(1)==names.index(factor)
    return int(gap.where(mine, -1).argmax()) if mine.any() else None

def true_pictures(world, codes):
    "The world's pictures of the grid's values that are nearest to codes"
    import torch
    sizes = torch.tensor(world.space.sizes)
    factors = (codes.clamp(0, 1)*(sizes-1)).round().long().numpy()
    return world.tensor(world.space.to_index(factors))

def composed(g, named, changes, attributes, world, one, other, most, n, seed):
    "How many pictures one direction, the other, and both lead to the combination; and what else changes"
    import torch
    from semistyle.models.sampling import Sampler
    names,space = attributes.names,world.space
    i,j = (cleanest(named, changes, names, o) for o in (one,other))
    if i is None or j is None: return dict(found=0.),None
    d,sampler = named.variations*named.steps[:,None,None],Sampler(g)
    ws,steps = sampler.ws(n, seed),torch.arange(-most, most+1.)
    a,b = (o.flatten() for o in torch.meshgrid(steps, steps, indexing='ij'))
    start,rest = attributes(sampler.of_ws(ws)),[k for k,o in enumerate(names) if o not in (one,other)]
    read = torch.stack([attributes(sampler.of_ws(ws+p*d[i]+q*d[j])) for p,q in zip(a, b)])      # [moves,n,m]
    there = is_held_out(space, read.flatten(0, 1), one, other).view(len(a), n)
    alone = {one:b==0, other:a==0}
    cost = (read-start)[...,rest].abs().mean(-1).where(there, torch.inf)
    at,reached = cost.argmin(0),there.any(0)
    res = dict(found=1., reached=reached.float().mean())
    res |= {f'reached_{k}':there[o].any(0).float().mean() for k,o in alone.items()}
    if not reached.any(): return res,None
    who = torch.nonzero(reached).flatten()
    def moved(k, a, b): return sampler.of_ws(ws[k]+a[at[k],None,None]*d[i]+b[at[k],None,None]*d[j])
    img,now,meant = moved(who, a, b),read[at[who],who],start[who].clone()
    for k in (one,other): meant[:,names.index(k)] = now[:,names.index(k)]
    def off(x, codes): return (x-true_pictures(world, codes)).square().mean()
    res |= dict(others=cost[at[who],who].mean(), error=off(img, meant), error_as_read=off(img, now),
                error_start=off(moved(who, 0*a, 0*b), start[who]), error_random=off(img, meant.roll(1, 0)))
    picture = torch.stack([moved(who[:6], *o) for o in ((0*a,0*b),(a,0*b),(0*a,b),(a,b))]
                          + [true_pictures(world, meant[:6])], 1)
    return res,picture                                                    # [6, start|one|other|both|true, C,H,W]

def run_row(row):
    "Train one generator, find directions by each method, compose and record"
    import torch
    from contrafeat_tables import score
    from stylegan_tables import hold_out
    from semistyle.core import set_seed
    from semistyle.data.loaders import FactorLoader
    from semistyle.data.open import load_world
    from semistyle.discover.baselines import find_directions
    from semistyle.discover.subspace import informative_subspace
    from semistyle.metrics.discovery import world_attributes
    from semistyle.models.features import DiscriminatorFeatures
    from semistyle.models.sampling import Sampler
    from semistyle.training.presets import gan_learner,get_preset
    from semistyle.viz import image_grid,save_image
    s,start = row.settings,time.monotonic()
    p = get_preset(s['preset'], kimg=s['kimg'])
    world = load_world(s['world'], p['img_resolution'])
    space,attributes = world.space,world_attributes(world)
    at = [space.names.index(s[o]) for o in ('one','other')]
    set_seed(row.seed)
    often = None if row.how['whole'] else hold_out(space, *at)
    learn = gan_learner(world, p, row.seed, loader=FactorLoader(world, None, p['bs'], seed=row.seed, weights=often))
    row.fit(learn, p['kimg'])
    g,disc = learn.generator_ema.g_ema.eval(),DiscriminatorFeatures(learn.generator_ema.d_ema.eval())
    seconds = row.before+time.monotonic()-start
    drawn = torch.cat([attributes(o) for o in Sampler(g).images(50*s['n'], seed=row.seed).split(500)])
    share = is_held_out(space, drawn, s['one'], s['other']).float().mean()
    subspace,lines = informative_subspace(g, s['samples'], row.seed, progress=False),[]
    for m in methods:
        found = find_directions(g, disc, m, subspace=subspace, n_directions=s['directions'], kimg=s['search_kimg'],
                                bs=8, lr=.02, seed=row.seed, progress=False).directions
        named,res = score(g, found, attributes, s['n'], row.seed)
        made,picture = composed(g, named, res['changes'], attributes, world, s['one'], s['other'], s['most'], s['n'],
                                row.seed)
        if picture is not None and row.seed==0:
            save_image(row.path.with_name(f'{row.name}-{m}-{row.seed}.png'),
                       image_grid(picture.flatten(0, 1), picture.shape[1]))
        lines.append(dict(method=m, world=f'{world.name}-{world.resolution}', seed=row.seed, kimg=round(learn.kimg, 3),
                          drawn=float(share), s_disen=res['s_disen'], n_discov=res['n_discov'],
                          **{k:float(v) for k,v in made.items()}))
    row.record(seconds=seconds, rows=lines)
    return [{k:round(v, 3) for k,v in o.items() if isinstance(v, float)} for o in lines]
