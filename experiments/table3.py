"""Train and measure the rows of Semi-StyleGAN's ablation (Nie et al. 2020, Table 3) on a rendered world.

    python experiments/table3.py --kimg 60 --seeds 2

writes one file a row and seed into results/semi_stylegan_table3/ and skips those that are there, so an interrupted call goes on with the next
row. Every row has the paper's loss with gamma = 10 and the same number of images; the last one adds our term that shows the
generator the labelled images."""
import tempfile
from pathlib import Path
from fastcore.script import call_parse

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

def run_row(row, seed, preset, kimg, n, out):
    "Train one row with one seed, and record it"
    from semistyle.core import record_result
    from semistyle.data.open import load_world
    from semistyle.models.checkpoint import load_model
    from semistyle.training.presets import get_preset
    from semistyle.runs.train import plan_run,train_run
    p = get_preset(preset, **(dict(gamma_g=10., image_weight=0., kimg=kimg) | rows[row]))
    world = load_world('robot', p['img_resolution'])
    with tempfile.TemporaryDirectory() as tmp:
        learn = train_run(f'{tmp}/run', plan_run(f'{tmp}/run', preset=preset, seed=seed, **p), world=world)
    oracle = load_model(f"robot-oracle-{p['img_resolution']}").oracle
    res = measure(learn, world, oracle, seed, n)
    record_result(out, command=f'python experiments/table3.py --preset {preset} --kimg {kimg:g}', seed=seed, seconds=learn.loss_log.seconds(),
                  rows=[dict(method=row, world=f"robot-{p['img_resolution']}", seed=seed, eta=p['eta'], kimg=round(learn.kimg, 3), **res)])
    print(row, seed, {k:round(v, 3) for k,v in res.items()}, flush=True)

@call_parse
def main(preset:str='robot-32', # Settings that every row starts from
         kimg:float=60.,        # Thousands of images for each row
         seeds:int=2,           # Repetitions of each row
         n:int=10_000,          # Images that the metrics are taken over
         only:str='',           # Space-separated rows; all when empty
         out:str='results/semi_stylegan_table3'): # Folder for one JSON file a row and seed
    for seed in range(seeds):
        for row in only.split() or rows:
            path = Path(out)/f'{row}-{seed}.json'
            if not path.exists(): run_row(row, seed, preset, kimg, n, path)
