"""Project pictures that a model has never seen, and edit them: how close, how fast, and does an edit move its factor alone?

    python experiments/run.py projection --seeds 1 --rows "robot-64 shapes-stylegan2-32" --set "n=32"
    python experiments/run.py projection --seeds 1 --set "model=runs/mine"

A row is a model, and what it records has rows itself: `projection` tells distortion and distance from W for each
space, `edit` how much a usual step to either side moves the attribute that a direction is named after, and the others
on average (`others`) and at most (`most`), by the world's oracle; `generated` is the same for pictures that the generator drew itself, which is the
best that projected ones could get. For a model with named factors, `directions=factors` takes its own."""
from pathlib import Path

settings = dict(
    model='',        # Folder of a saved model of a rendered world, instead of the rows below
    n=32,            # Pictures
    directions='',   # Folder of directions, or `factors`; by default those beside the model, or found now
    method='sefa',   # How to find them, where there are none
    steps=300,       # Of each projection
    bs=8,            # Pictures at a time
    trained_bs=0)    # Batch size of the model's training, where it does not say it
found = 'results/contrafeat_tables/{}/directions/contra-bi'
rows = { # Models -> settings, where --set does not name them
    'robot-64':            dict(directions='factors'),
    'robot-stylegan2-32':  dict(directions=found.format('robot-stylegan2-32'), trained_bs=32, steps=1000),
    'shapes-stylegan2-32': dict(directions=found.format('shapes-stylegan2-32'), trained_bs=32),
}

def rows_of(settings, given):
    "The models above, or another"
    return {Path(settings['model']).name: {}} if settings['model'] else {k:how|given for k,how in rows.items()}

def unseen_images(world, config, n, seed, trained_bs=None):
    "Numbers of images that no batch of the model's training drew: a batch is a function of the run's seed and its number"
    import numpy as np
    from semistyle.data.loaders import split_labels
    kimg,settings = config.get('kimg'),config.get('settings') or {}
    bs = settings.get('bs') or trained_bs
    if not (bs and kimg):
        raise ValueError("the model should say how it was trained (settings.bs and kimg), to tell which "
                                       "images it has not seen: give its batch size as trained_bs")
    draws = [np.random.default_rng([config['seed'], i]).integers(len(world), size=bs)
             for i in range(int(1000*kimg/bs)+1000)]
    seen = np.unique(np.concatenate(draws))
    eta = config.get('eta') or settings.get('eta')
    if eta: seen = np.union1d(seen, split_labels(world.space, eta, config['seed']).labelled)
    pick = np.random.default_rng([seed, 2**31]).permutation(len(world))[:n+2*len(seen)]
    return pick[~np.isin(pick, seen)][:n]

def factor_directions(g, space):
    "The mean difference that each factor of a generator's codes makes to `w`"
    import torch
    from semistyle.discover.navigator import Directions,owner_of
    rng = torch.Generator().manual_seed(0)
    z,c = torch.randn(256, g.z_dim, generator=rng),space.sample_codes(256, rng)
    def mean_w(k, v): return g.mapping(z, c.index_fill(1, torch.tensor([k]), v)).mean(0)
    with torch.no_grad(): v = torch.stack([mean_w(k, 1.)-mean_w(k, 0.) for k in range(len(space.names))])
    return Directions(v, owner_of(g), list(space.names))

def named_directions(directions, model, attributes, method, c, seed):
    "One direction for each attribute that some direction is named after"
    from semistyle.discover.baselines import find_directions
    from semistyle.discover.navigator import find_directions_of
    from semistyle.discover.refine import name_and_score
    g = model.generator
    if directions=='factors': d = factor_directions(g, model.space)
    elif directions or (model.path/'directions').exists(): d = find_directions_of(directions or None, model)
    else:
        d = find_directions(g, None, method, 2*len(attributes.names), subspace=20_000, c=c, seed=seed,
                            progress=False).directions
    d,_ = name_and_score(g, d, attributes, n=32, seed=seed, c=c)
    return d.select([o for o in attributes.names if o in d.names])

def edit_rows(g, read, directions, ws, noise, names, space):
    "What a usual step of each direction moves, over pictures"
    import torch
    from semistyle.discover.invert import draw
    rows = []
    with torch.no_grad():
        start = read(draw(g, ws, noise))
        for name in directions.names:
            ends = [read(draw(g, directions.apply(ws, **{name:a}), noise)) for a in (-1,1)]
            change = torch.stack([(o-start).abs().mean(0) for o in ends]).mean(0)
            k = names.index(name); others = torch.cat([change[:k], change[k+1:]])
            rows.append(dict(kind='edit', space=space, direction=name, moved=change[k].item(),
                             others=others.mean().item(),
                             most=others.max().item(), ratio=(others.mean()/change[k]).item()))
    return rows

def project_all(p, x, space, bs, **kwargs):
    "Projections of pictures, some at a time: styles, noise, rows, seconds"
    import time,torch
    from semistyle.core import mean_std
    start,done = time.monotonic(),[]
    for i,o in enumerate(x.split(bs)):
        done.append(p.project(o, space.split(' ')[0], noise_weight=None if 'constant' in space else .1, **kwargs))
        print(f'{space}: {min((i+1)*bs, len(x))} of {len(x)}, {done[-1]}', flush=True)
    noise = {k:torch.cat([o.noise[k] for o in done]) for k in done[0].noise}
    rows = [r for o in done for r in o.rows]
    row = dict(kind='projection', space=space, n=len(x), seconds_per_image=(time.monotonic()-start)/len(x))
    return torch.cat([o.ws for o in done]),noise,row|{k:mean_std([r[k] for r in rows]) for k in rows[0]}

def run_row(row):
    "Project the pictures of one model's world, edit them, and record both"
    import time
    from semistyle.core import mean_std
    from semistyle.discover.invert import model_projector,noise_maps
    from semistyle.metrics.discovery import world_attributes
    from semistyle.models.sampling import Sampler
    from semistyle.runs.subject import world_of
    from semistyle.models.checkpoint import load_model
    s = row.asked
    begin,saved,seed = time.monotonic(),load_model(s['model'] or row.name),row.seed
    g,world = saved.generator,world_of(saved)
    c = saved.space.sample_codes if g.c_dim else None
    idx = unseen_images(world, saved.config, s['n'], seed, s['trained_bs'])
    x = world.tensor(idx)
    attributes = world_attributes(world)
    d = named_directions(s['directions'], saved, attributes, s['method'], c, seed)
    p = model_projector(saved)
    args = dict(steps=s['steps'], seed=seed, progress=False)
    start = time.monotonic(); one = p.project(x[:1], **args)
    one = dict(kind='one picture', space='w+', seconds=time.monotonic()-start, **one.rows[0])
    lines,edits = [one],edit_rows(g, attributes, d, Sampler(g, c).ws(s['n'], seed), None, attributes.names, 'generated')
    for space in ('w','w+')+(('w+ with constant noise',) if noise_maps(g) else ()):
        ws,noise,line = project_all(p, x, space, s['bs'], **args)
        lines.append(line); edits += edit_rows(g, attributes, d, ws, noise, attributes.names, space)
    def ratios(space): return [o['ratio'] for o in edits if o['space']==space]
    plus = lines[2]
    metrics = dict(psnr_w=lines[1]['psnr'], psnr_w_plus=plus['psnr'], seconds_of_one=one['seconds'],
                   psnr_of_one=one['psnr'],
                   ratio_w=mean_std(ratios('w')), ratio_w_plus=mean_std(ratios('w+')),
                   ratio_generated=mean_std(ratios('generated')),
                   under_a_quarter=sum(o<.25 for o in ratios('w+')), # others on average; and each of them:
                   each_under_a_quarter=sum(o['most']<o['moved']/4 for o in edits if o['space']=='w+'),
                   directions=len(d)) if len(d) else dict(psnr_w_plus=plus['psnr'])
    row.record(seconds=time.monotonic()-begin, metrics=metrics, rows=lines+edits, model=row.name,
               predictor=attributes.name,
               settings=dict(steps=s['steps'], bs=s['bs'], distance=p.distance.name,
                             found_by=d.meta.get('method', s['directions']), directions=d.names,
                             usual_steps=d.steps.tolist(), images=idx.tolist()))
    return metrics

