"""Train VAEs on single pictures and on pairs, and score their encoders on the true factors of a rendered world.

    python experiments/distill.py --kimg 300 --seeds 2
    python experiments/distill.py --model MODEL --directions DIRECTIONS --name contra-bi-distinct

The first trains every row of `rows` on rendered pictures: beta-VAEs, and group-based VAEs on pairs of which a share differs in two factors
instead of one. The second trains on pairs of a generator and directions that were found in it. Both write one file a row and seed into
results/distill/ and skip those that are there, so an interrupted call goes on with the next one."""
import time
from pathlib import Path
from fastcore.script import call_parse

rows = {
    'beta_vae_1':      dict(rule=None, beta=1.),
    'beta_vae_4':      dict(rule=None, beta=4.),
    'group_pure':      dict(rule='known', mixed=0.),
    'group_mixed_25':  dict(rule='known', mixed=.25),
    'group_mixed_50':  dict(rule='known', mixed=.5),
    'group_mixed_100': dict(rule='known', mixed=1.),
    'ada_pure':        dict(rule='adaptive', mixed=0.),
    'ada_mixed_100':   dict(rule='adaptive', mixed=1.),
    'labelled_pure':   dict(rule='labelled', mixed=0.),
}

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

def run_row(name, how, loader, world, seed, kimg, seconds, lr, metrics, n, out, keep, command):
    "Train one row with one seed, score it, and record it"
    from semistyle.core import record_result
    from semistyle.discover.distill import score_encoder,train_vae
    from semistyle.runs.train import TimeBudget
    import torch
    start,net = time.monotonic(),{k:v for k,v in how.items() if k in ('rule','beta')}
    limit = dict(kimg=1e6, cbs=[TimeBudget(seconds)]) if seconds else dict(kimg=kimg)
    res = train_vae(loader, seed=seed, lr=lr, progress=False, **net, **limit)
    scores = score_encoder(res.encode, world, metrics, n)
    last = {k:res.history[-1][k] for k in ('reconstruction','divergence')}
    record_result(out, command=command, seed=seed, seconds=time.monotonic()-start, settings=res.settings,
                  rows=[dict(method=name, world=f'{world.name}-{world.resolution}', seed=seed, rule=how['rule'], mixed=how.get('mixed'),
                             kimg=round(res.learn.kimg, 3), train_seconds=round(res.settings['seconds'], 1), **last, **scores)])
    if keep: res.save(out.with_suffix(''), dtype=torch.float16, world=world.name, command=command)
    print(name, seed, f"{res.settings['seconds']:.0f} s", {k:round(v, 3) for k,v in scores.items()}, flush=True)

@call_parse
def main(kimg:float=300.,    # Thousands of pictures for each row
         seconds:float=None, # Train each row for so long instead
         seeds:int=2,        # Repetitions of each row
         resolution:int=32,  # Side of the pictures
         world:str='shapes', # World whose factors score; rendered pictures are of it
         lr:float=1e-3,      # Learning rate
         bs:int=64,          # Pictures in a batch
         metrics:str='factor_vae mig dci_hist dci', # Scores; the exact `dci` takes longest
         n:int=15_000,       # Pictures that the scores are taken over
         model:str='',       # Saved model: train on pairs of its generator instead
         directions:str='',  # Folder of the directions to move along
         name:str='generated', # Name of the row then
         distinct:float=.3,  # Leave out directions as similar to an earlier one then; 0 keeps all
         rule:str='known',   # How shared dimensions are told then; empty: a VAE of single pictures
         pairs:int=20_000,   # Pairs to draw and pack then
         store:str='runs/distill-pairs', # Folder for packed pairs
         only:str='',        # Space-separated rows; all when empty
         keep:str='group_pure', # Space-separated rows whose VAE of the first seed is kept
         out:str='results/distill'): # Folder for one JSON file a row and seed
    from semistyle.data.open import load_world
    saved = None
    if model:
        from semistyle.models.checkpoint import load_model
        saved = load_model(model)
        resolution = saved.generator.img_resolution
    todo = {name:dict(rule=rule or None)} if saved else {k:rows[k] for k in only.split() or rows}
    true,budget = load_world(world, resolution),f'--seconds {seconds:g}' if seconds else f'--kimg {kimg:g}'
    for seed in range(seeds):
        for row,how in todo.items():
            path = Path(out)/f'{row}-{seed}.json'
            if path.exists(): continue
            if saved: loader = generated(saved, directions, distinct, Path(store)/f'{row}-{seed}', pairs, seed, bs)
            else: loader = loader_of(how, true, seed, bs)
            where = f'--model {model} --directions {directions} --name {name} --distinct {distinct:g} --rule {rule}' if saved else f'--only {row}'
            command = f'python experiments/distill.py {budget} --world {world} --resolution {resolution} --seeds {seeds} {where}'
            run_row(row, how, loader, true, seed, kimg, seconds, lr, metrics.split(), n, path, seed==0 and row in keep.split(), command)
