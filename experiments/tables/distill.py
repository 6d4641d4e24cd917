"""Train VAEs on single pictures and on pairs, and score their encoders on the true factors of a rendered world.

    python experiments/run.py distill --seeds 2 --set "kimg=300"
    python experiments/run.py distill --seeds 2 --set "model=MODEL directions=DIRECTIONS name=contra-bi-distinct"

The first trains every row of `rows` on rendered pictures: beta-VAEs, FactorVAE and beta-TCVAE with the weights of their papers, and group-based
VAEs, by the mean of both posteriors or by their product (ML-VAE), on pairs of which a share differs in two factors instead of one. The second trains on pairs of a generator and directions that were found in it."""
import time
from pathlib import Path

settings = dict(
    kimg=300.,         # Thousands of pictures for each row
    seconds=None,      # Train each row for so long instead
    resolution=32,     # Side of the pictures
    world='shapes',    # World whose factors score; rendered pictures are of it
    lr=1e-3,           # Learning rate
    bs=64,             # Pictures in a batch
    metrics='factor_vae mig dci_hist dci', # Scores; the exact `dci` takes longest
    n=15_000,          # Pictures that the scores are taken over
    keep='group_pure', # Space-separated rows whose VAE of the first seed is kept
    model='',          # Saved model: train on pairs of its generator instead, with these:
    directions='',     # Folder of the directions to move along
    name='generated',  # Name of the row
    distinct=.3,       # Leave out directions as similar to an earlier one; 0 keeps all
    rule='known',      # How shared dimensions are told; empty: a VAE of single pictures
    pairs=20_000,      # Pairs to draw and pack
    store='runs/distill-pairs', # Folder for packed pairs
    average='mean')    # How shared dimensions are read from both pictures: 'product' is ML-VAE's
aside = 'keep','store'  # Settings that change nothing in a record

rows = {
    'beta_vae_1':      dict(rule=None, beta=1.),
    'beta_vae_4':      dict(rule=None, beta=4.),
    'factor_vae':      dict(rule=None, method='factor-vae'),
    'beta_tcvae':      dict(rule=None, method='beta-tcvae'),
    'group_pure':      dict(rule='known', mixed=0.),
    'group_mixed_25':  dict(rule='known', mixed=.25),
    'group_mixed_50':  dict(rule='known', mixed=.5),
    'group_mixed_100': dict(rule='known', mixed=1.),
    'ada_pure':        dict(rule='adaptive', mixed=0.),
    'ada_mixed_100':   dict(rule='adaptive', mixed=1.),
    'labelled_pure':   dict(rule='labelled', mixed=0.),
    'ml_vae_pure':     dict(rule='known', mixed=0., average='product'),
}

def rows_of(settings, given):
    "The rows above, or the one of a generator"
    return {settings['name']: dict(rule=settings['rule'] or None, average=settings['average'])} if settings['model'] else rows

def loader_of(how, world, seed, bs):
    "Where the pictures of a row come from"
    from semistyle.data.loaders import FactorLoader
    from semistyle.discover.pairs import WorldPairs
    if how['rule'] is None: return FactorLoader(world, bs=bs, seed=seed)
    return WorldPairs(world, how['mixed'], bs=bs, seed=seed)

def generated(model, directions, distinct, store, n, seed, bs):
    "Packed pairs of a generator and its directions, without those that change features as an earlier one does"
    from semistyle.discover.pairs import GeneratedPairs,PackedPairs,pack_pairs
    from semistyle.discover.navigator import load_directions
    from semistyle.discover.refine import distinct_directions
    from semistyle.models.features import DiscriminatorFeatures
    g = model.generator
    d = load_directions(directions, g)
    if distinct: d,_ = distinct_directions(g, DiscriminatorFeatures(model.discriminator), d, distinct)
    print(f'pairs along {len(d)} directions: {", ".join(d.names)}', flush=True)
    return PackedPairs(pack_pairs(GeneratedPairs(g, d, bs, seed), store, n), bs, seed)

def run_row(row):
    "Train one row with one seed, score it, and record it"
    from semistyle.data.open import load_world
    from semistyle.discover.distill import score_encoder,train_vae,vae_method
    from semistyle.models.checkpoint import load_model
    from semistyle.runs.train import TimeBudget
    import torch
    s,how,saved = row.settings,row.how,None
    if s['model']: saved = load_model(s['model'])
    world = load_world(s['world'], saved.generator.img_resolution if saved else s['resolution'])
    if saved:
        loader = generated(saved, s['directions'], s['distinct'], Path(s['store'])/str(row), s['pairs'], row.seed,
                           s['bs'])
    else: loader = loader_of(how, world, row.seed, s['bs'])
    start,net = time.monotonic(),dict(lr=s['lr']) | {k:v for k,v in how.items() if k in ('rule','beta','average')}
    if 'method' in how: net |= vae_method(how['method'])
    if s['seconds']:
        res = train_vae(loader, seed=row.seed, kimg=1e6, cbs=[TimeBudget(s['seconds'])], progress=False, **net)
    else: res = row.train_vae(loader, kimg=s['kimg'], **net)
    scores = score_encoder(res.encode, world, s['metrics'].split(), s['n'])
    last = {k:res.history[-1][k] for k in ('reconstruction','divergence')}
    row.record(seconds=row.before+time.monotonic()-start, settings=res.settings,
               rows=[dict(method=row.name, world=f'{world.name}-{world.resolution}', seed=row.seed, rule=how['rule'],
                          mixed=how.get('mixed'), average=how.get('average', 'mean') if how['rule'] else None,
                          kimg=round(res.learn.kimg, 3),
                          train_seconds=round(row.before+res.settings['seconds'], 1), **last, **scores)])
    if row.seed==0 and row.name in s['keep'].split():
        res.save(row.path.with_suffix(''), dtype=torch.float16, world=world.name, command=row.command)
    return f"{res.settings['seconds']:.0f} s {dict((k, round(v, 3)) for k,v in scores.items())}"
