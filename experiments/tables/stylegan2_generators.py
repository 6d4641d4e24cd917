"""What makes a better StyleGAN2 of a rendered world in the same minutes of a quiet processor: resolution, width, penalties, the pairing loss, batch, path length.

    python experiments/run.py stylegan2_generators --seeds 3
    python experiments/run.py stylegan2_generators --seeds 3 --set "world=robot minutes=30"

A row is a run of `preset` with some settings changed. Its pictures are measured (Frechet distance, precision and recall by an ImageNet network
and by the oracle of the world, as the first may tell every drawn picture from every true one, and then both are 0; power at the highest
frequencies), and so is its latent space, by directions that the judge itself taught: no method can find better ones in it. The first seed's networks are kept in half precision beside the record, in a folder of its name, for tools/ship_model.py and the tables of a generator."""

settings = dict(
    preset='world-32',  # Settings that every row starts from
    world='shapes',     # Rendered world with a shipped oracle
    minutes=20.,        # Of each run
    until_kimg=0.,      # Or thousands of images instead, where it is not 0
    n_quality=5000,     # Pictures for the distances
    n=500,              # Pictures for the judge
    samples=20_000,     # Styles that tell the axes of W
    judge_batches=400)  # Batches that directions learn from the judge; row `judged` of contrafeat_tables has 600
_both = lambda **kw: dict(g_args=kw, d_args=kw)
rows = {
    'full':           dict(),                  # the preset: full resolution, the paper's filter
    'tiles':          _both(patch=2, resample_filter=[1,1]), # networks of half the resolution that paint tiles of 2x2
    'full_wide':      _both(channel_base=1024), # twice the maps at 32x32 and 16x16
    'full_noise':     dict(g_args=dict(use_noise=True)),
    'full_no_path':   dict(pl_weight=0.),
    'full_r1_0.1':    dict(r1_gamma=.1),
    'full_r1_0.01':   dict(r1_gamma=.01),      # near what NVIDIA's code chooses: .0002 x 32 x 32 pixels / 32 pictures
    'full_batch_64':  dict(bs=64),
    'full_pairs':     dict(relativistic=True),
    'full_pairs_r2':  dict(relativistic=True, r2_gamma=1.),
    'full_slow':      dict(lr_g=2e-3, lr_d=2e-3),
    'full_fast':      dict(lr_g=.015, lr_d=.006), # the rates of Semi-StyleGAN's presets
    'full_fast_r1':   dict(lr_g=.015, lr_d=.006, r1_gamma=.1),
    'full_ema_short': dict(ema_half_life=1_000), # images; the preset's is 5,000
    'full_ema_long':  dict(ema_half_life=20_000),
}

def fits(name, p):
    "Whether a preset is of StyleGAN2"
    return p['kind']=='stylegan2'

def target(row, seed, settings):
    until = f"{settings['until_kimg']:g}kimg" if settings['until_kimg'] else f"{settings['minutes']:g}min"
    return f"{settings['world']}-{settings['preset'].rpartition('-')[2]}-{until}/{row}-{seed}.json"

def run_row(row):
    "Train one generator, measure and record it"
    import numpy as np,torch
    from contrafeat_tables import judged,score
    from semistyle.data.open import load_world
    from semistyle.discover.subspace import informative_subspace
    from semistyle.metrics.control import spectrum_ratio
    from semistyle.metrics.discovery import world_attributes
    from semistyle.metrics.quality import evaluate_quality
    from semistyle.models.checkpoint import load_model,save_model
    from semistyle.models.features import OracleFeatures,pooled
    from semistyle.models.imagenet import EfficientNetLite0
    from semistyle.models.sampling import Sampler
    from semi_stylegan_table3 import settings_of
    s = row.settings
    _,changes = settings_of(row)
    until = dict(kimg=s['until_kimg']) if s['until_kimg'] else dict(minutes=s['minutes'])
    learn = row.train(world=s['world'], preset=s['preset'], **changes, **until)
    g = learn.generator_ema.g_ema.eval()
    world = load_world(s['world'], g.img_resolution)
    attributes,res,protocols = world_attributes(world),{},[]
    for seen in (EfficientNetLite0(('1/8','1/16'), size=64), pooled(OracleFeatures(attributes.predict))):
        res |= evaluate_quality(Sampler(g).images, world, seen, s['n_quality'], ('fd','pr'), seed=row.seed)
        protocols.append(res.pop('protocol'))
    idx = np.random.default_rng(row.seed).permutation(len(world))[:1000]
    with torch.no_grad():
        res['spectrum_ratio'] = spectrum_ratio(Sampler(g).images(1000, seed=row.seed), world.tensor(idx))
    directions = judged(g, attributes, informative_subspace(g, s['samples'], row.seed, progress=False), row.seed,
                        batches=s['judge_batches'])
    _,found = score(g, directions, attributes, s['n'], row.seed)
    res |= {f'ceiling_{k}':found[k] for k in ('s_disen','n_discov')}
    saved = load_model(row.folder/'model')
    if row.seed==0: save_model(row.path.with_suffix(''), saved.config, saved.card, torch.float16, **saved.networks)
    row.record(seconds=saved.config['seconds'], protocol=protocols[0], protocol_oracle=protocols[1],
               rows=[dict(method=row.name, world=f'{world.name}-{world.resolution}', seed=row.seed,
                          kimg=round(learn.kimg, 3), **res)])
    return {k:round(v, 3) for k,v in res.items()}
