"""Train and measure the rows of Semi-StyleGAN's ablation (Nie et al. 2020, Table 3) on a rendered world.

    python experiments/run.py semi_stylegan_table3 --seeds 2 --set "kimg=60"

Every row is a run and has the paper's loss with gamma = 10 and the same number of images; the last one adds our term that shows the
generator the labelled images."""

settings = dict(
    preset='robot-32', # Settings that every row starts from
    kimg=60.,          # Thousands of images for each row
    n=10_000)          # Images that the metrics are taken over
rows = {
    'encoder_only':       dict(gan_weight=0., gamma_g=0., alpha=0.),
    'encoder_only_mixup': dict(gan_weight=0., gamma_g=0.),
    'full':               dict(),
    'no_smoothness':      dict(alpha=0.),
    'unsup_in_e':         dict(gamma_e=10.),
    'no_unsup_in_g':      dict(gamma_g=0.),
    'labelled_images':    dict(image_weight=100.),
}

def measure(learn, world, oracle, seed, n):
    "Encoder and generator metrics of the averaged networks"
    import torch
    from semistyle.metrics.disentangle import evaluate_encoder,evaluate_generator,render_ratio
    g,d = learn.generator_ema.g_ema,learn.generator_ema.d_ema
    res = evaluate_encoder(d.encode, world, n, seed)
    if not learn.terms('g'): return res
    def generate(c): return g(torch.randn(len(c), g.z_dim), c, noise_mode='const')
    return res | evaluate_generator(generate, oracle, world.space, n, seed) | dict(render_ratio=render_ratio(generate, world, seed=seed))

def run_row(row):
    "Train one row with one seed, and record it"
    from semistyle.data.open import load_world
    from semistyle.models.checkpoint import load_model
    from semistyle.training.presets import get_preset
    s = row.settings
    changes = dict(gamma_g=10., image_weight=0., kimg=s['kimg']) | row.how
    p = get_preset(s['preset'], **changes)
    size = p['img_resolution']
    oracle = load_model(f'robot-oracle-{size}').oracle if p['gan_weight'] else None # an encoder alone needs no judge
    learn,world = row.train(preset=s['preset'], **changes),load_world('robot', size)
    res = measure(learn, world, oracle, row.seed, s['n'])
    row.record(seconds=load_model(row.folder/'model').config['seconds'],
               rows=[dict(method=row.name, world=f'robot-{size}', seed=row.seed, eta=p['eta'], kimg=round(learn.kimg, 3), **res)])
    return {k:round(v, 3) for k,v in res.items()}
