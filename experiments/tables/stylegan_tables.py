"""Train and measure the rows of StyleGAN's Tables 3 and 4 and Figure 6 (Karras et al. 2019) on a rendered world with real random detail.

    python experiments/run.py stylegan_tables --seeds 3
    python experiments/run.py stylegan_tables --seeds 3 --rows table4

All rows have the same number of images, widths and rates; they differ in the generator, its noise, its mixing and its mapping network. Rows can be
compared where their Frechet distances are alike: a generator that has lost its variety has short paths and constant attributes, and its row says
nothing. Figure 6 asks where the latent space is bent: the rows `left_out` and `mixing_90` also have the lengths of paths between pictures on either
side of the combination left out, and of another one. Distances and attributes are those of an oracle of the world, which is trained first."""
import time

settings = dict(
    world='sprites-noisy', # Rendered world; the noise behind its sprites is other in each picture
    resolution=32,     # Side of the images
    kimg=60.,          # Thousands of images for each row
    oracle_kimg=100.,  # ... and for the oracle
    n=10_000)          # Pictures, or steps of a path, that each measure is taken over
_noise = dict(use_noise=True)
_mixed = _noise | dict(mixing=.9)
sets = dict(
    table3={ # from the top
        'traditional_0': dict(kind='traditional', depth=0),
        'style':         dict(),
        'noise':         dict(**_noise),
        'mixing_50':     dict(**_noise, mixing=.5),
        'mixing_90':     dict(**_mixed)},
    table4={ # what it has beside these; its rows are mixed, those with `plain` are not
        'traditional_8': dict(kind='traditional', depth=8),
        'depth_0':       dict(depth=0, **_mixed),
        'depth_1':       dict(depth=1, **_mixed),
        'depth_2':       dict(depth=2, **_mixed),
        'depth_0_plain': dict(depth=0, **_noise),
        'depth_1_plain': dict(depth=1, **_noise),
        'depth_2_plain': dict(depth=2, **_noise)},
    beyond={ # Figure 6: no training picture has the last value of one factor with the upper half of another
        'left_out':      dict(**_mixed, left_out=True),
        # "could easily be used" as regularisers: path length and separability
        'path_term':     dict(**_mixed, path=True),
        'separability_term': dict(**_mixed, separable=True)})
rows = {k:v for o in sets.values() for k,v in o.items()}
turned = 'left_out','mixing_90' # The row with a combination left out and the one without: also paths around that combination, and around another
common = dict(bs=16, lr_g=1e-2, lr_d=4e-3, betas=(0.,.99), r1_gamma=1., final_lr=.1, grow_share=0.)
widths = dict(channel_base=512, channel_max=64)

def target(row, seed, settings): return f"{settings['world']}-{settings['resolution']}/{row}-{seed}.json"

def hold_out(space, one=0, other=1):
    "Weights of a world's pictures, 0 for those with the last value of one factor and the upper half of another's"
    import numpy as np
    f = space.to_factors(np.arange(len(space)))
    return 1.-((f[:,one]==space.sizes[one]-1) & (f[:,other]>=space.sizes[other]/2))

def make(world, seed, kind='style', depth=8, use_noise=False, mixing=0., left_out=False, path=False, separable=False,
         oracle=None):
    "The Learner of a row"
    from semistyle.core import set_seed
    from semistyle.data.loaders import FactorLoader
    from semistyle.models.variants import TraditionalGenerator
    from semistyle.training.path import PathLength
    from semistyle.training.presets import gan_learner,get_preset,preset_networks
    from semistyle.training.separable import Separability
    g_args = widths | dict(z_dim=64, w_dim=64, mapping_layers=depth, mapping_lr_mul=.1, use_noise=use_noise)
    p = get_preset(f'robot-{world.resolution}', kind='stylegan', g_args=g_args, d_args=widths, style_mixing=mixing,
                   **common)
    set_seed(seed)
    size = dict(img_resolution=world.resolution, img_channels=world.image_shape[2])
    g = TraditionalGenerator(**size, **g_args) if kind=='traditional' else None
    loader = FactorLoader(world, None, p['bs'], seed=seed, weights=hold_out(world.space)) if left_out else None
    learn = gan_learner(world, p, seed, networks=g and (g, preset_networks(p, 0, world.image_shape[2])[1]),
                        loader=loader, cbs=[*([PathLength()] if path else []), *([Separability(oracle.requires_grad_(False))] if separable else [])])
    # a traditional generator behind 8 layers begins with nearly one picture, which is no collapse
    learn.divergence_watch.min_spread = 0.
    return learn

def variety(g, world, n=500):
    "Standard deviation of a pixel over generated pictures, relative to that over real ones"
    import numpy as np,torch
    from semistyle.models.sampling import Sampler
    torch.manual_seed(0)
    real = world.tensor(np.random.default_rng(0).choice(len(world), n, replace=False))
    return float(Sampler(g).images(n).std(0).mean()/real.std(0).mean())

def either_side(codes, space, last=True, one=0, other=1):
    """Numbers of the pictures on either side of a combination, by their codes: a factor's last value (or first) with the lower half of another's,
    and its neighbour with the upper half. The way from one to the other is past the last (or first) value with the upper half"""
    import numpy as np
    f = space.from_codes(codes)
    end,beside = (space.sizes[one]-1,space.sizes[one]-2) if last else (0,1)
    upper = f[:,other]>=space.sizes[other]/2
    return np.flatnonzero((f[:,one]==end) & ~upper),np.flatnonzero((f[:,one]==beside) & upper)

def around(g, space, oracle, distance, n, seed, least=20):
    "Path lengths in Z and W between pictures on either side of the combination that `hold_out` leaves out, and of one that it keeps; of those with enough pictures"
    import numpy as np,torch
    from semistyle.core import seeded
    from semistyle.metrics.path import perceptual_path_length
    from semistyle.models.sampling import Sampler
    with seeded(seed): latents,img = Sampler(g).latents(n)
    with torch.no_grad(): codes = torch.cat([oracle(o) for o in img.split(250)])
    res,rng = {},np.random.default_rng(seed)
    for name,last in (('left_out',True), ('kept',False)):
        a,b = map(rng.permutation, either_side(codes, space, last))
        m = min(len(a), len(b)); res[f'pairs_{name}'] = float(m)
        if m<least: continue
        for o in 'zw':
            lengths = perceptual_path_length(g, distance, o, 'full', n=n, seed=seed, ends=[latents['z'][k[:m]] for k in (a,b)])
            res[f'ppl_{o}_around_{name}'] = lengths[f'ppl_{o}_full_{distance.name}_between']
    return res

def measure(g, world, oracle, seed, n, past=False):
    """Variety, Frechet distance, path lengths, separability in Z and W; all with the features or the attributes of the oracle. Where asked to, also
    path lengths past the combination left out"""
    from semistyle.models.features import OracleFeatures,PerceptualDistance,pooled
    from semistyle.metrics.path import perceptual_path_length
    from semistyle.metrics.quality import evaluate_quality
    from semistyle.metrics.separability import separability,oracle_attributes
    from semistyle.models.sampling import Sampler
    features = OracleFeatures(oracle)
    res = dict(spread=variety(g, world)) | evaluate_quality(Sampler(g).images, world, pooled(features), n=n,
                                                            metrics=['fd'], seed=seed)
    distance = PerceptualDistance(features)
    for space in ('z','w'):
        for sampling in ('full','end'):
            res |= perceptual_path_length(g, distance, space, sampling, n=n, seed=seed)
    try: res |= separability(Sampler(g).latents, oracle_attributes(oracle), world.space.names, n=n, seed=seed,
                             progress=False)
    except ValueError as e: # all pictures alike: what is measured of the others must not be lost
        if 'hold two classes' not in str(e): raise
    if past: res |= around(g, world.space, oracle, distance, n, seed)
    return {k:v for k,v in res.items() if isinstance(v, float)}

def run_row(row):
    "Train one row with one seed, and record it"
    from semistyle.data.open import load_world
    from semi_stylegan_table3 import trained_oracle
    s = row.settings
    world = load_world(s['world'], s['resolution'])
    name = f'{world.name}-{world.resolution}'
    model = trained_oracle(row.folder.parent/f"{name}-oracle-{s['oracle_kimg']:g}", world, s['oracle_kimg'])
    start,learn = time.monotonic(),make(world, row.seed, **row.how, oracle=model.oracle)
    row.fit(learn, s['kimg'])
    seconds = row.before+time.monotonic()-start
    numbers = measure(learn.generator_ema.g_ema, world, model.oracle, row.seed, s['n'], row.name in turned)
    row.record(seconds=seconds, oracle={k:model.config[k] for k in ('l2','kimg')},
               rows=[dict(method=row.name, world=name, seed=row.seed, kimg=round(learn.kimg, 3), n=s['n']) | numbers])
    return {k:round(v, 3) for k,v in numbers.items()}
