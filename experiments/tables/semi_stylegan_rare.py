"""What a rare value does, and what balanced labels do about it (Nie et al. 2020: methods before separate unbalanced
factors badly).

    python experiments/run.py semi_stylegan_rare --seeds 3

One value of one factor has a share of all images, the others what is left. The rows differ in the images and in how the labels are chosen;
all are measured where every value is as frequent as any other, and at the rare value alone."""
import time
from semi_stylegan_table3 import fits,judge,measure

settings = dict(
    preset='robot-32', # Settings that every row starts from
    eta=.005,          # Share of images with labels
    kimg=90.,          # Thousands of images for each row
    n=10_000,          # Images that the metrics are taken over
    factor='object_shape', # Factor with a rare value
    value=2,           # The rare value, from 0
    share=.01)         # Its share of all images
rows = {
    'even':             dict(rare=False, balanced=True),  # every value as frequent as any other
    'rare':             dict(rare=True, balanced=False),  # labels are as unbalanced as the images
    'rare_balanced':    dict(rare=True, balanced=True),   # every value has as many labels as any other
    'rare_label_codes': dict(rare=True, balanced=False, label_codes=True), # codes are drawn as labels have them
}

def target(row, seed, settings):
    return f"{settings['preset']}/{settings['factor']}-{settings['value']}/{row}-{seed}.json"

def at_value(learn, world, oracle, axis, value, seed, n):
    "Mean error of the encoder, and of the generator by an oracle, in one factor where it has one value; in units of the code"
    import numpy as np,torch
    g,d = learn.generator_ema.g_ema,learn.generator_ema.d_ema
    factors = world.space.sample(n, np.random.default_rng(seed))
    factors[:,axis] = value
    codes,rows = torch.as_tensor(world.space.to_codes(factors)).float(),[]
    for c,idx in zip(codes.split(100), np.split(world.space.to_index(factors), range(100, n, 100))):
        with torch.no_grad():
            read = [d.encode(world.tensor(idx))] + ([oracle(g(torch.randn(len(c), g.z_dim), c,
                                                              noise_mode='const'))] if oracle else [])
        rows.append(torch.stack([(o.float()-c)[:,axis].abs() for o in read], 1))
    return dict(zip(('encoder_at_value','generator_at_value'), torch.cat(rows).mean(0).tolist()))

def run_row(row):
    "Train one row with one seed, and record it"
    from semistyle.core import set_seed
    from semistyle.data.loaders import FactorLoader,split_labels,value_weights
    from semistyle.training.presets import gan_learner,get_preset
    s,start = row.settings,time.monotonic()
    world,oracle = judge(s['preset'])
    p = get_preset(s['preset'], eta=s['eta'], kimg=s['kimg'], label_codes=row.how.get('label_codes', False))
    often = value_weights(world.space, s['factor'], s['value'], s['share']) if row.how['rare'] else None
    labels = split_labels(world, p['eta'], row.seed, None if row.how['balanced'] else often)
    set_seed(row.seed)
    learn = gan_learner(world, p, loader=FactorLoader(world, labels, p['bs'], p['labelled_bs'], row.seed,
                                                      weights=often))
    row.fit(learn, p['kimg'])
    res = measure(learn, world, oracle, row.seed, s['n'])
    res |= at_value(learn, world, oracle, world.space.names.index(s['factor']), s['value'], row.seed, s['n']//10)
    row.record(seconds=row.before+time.monotonic()-start,
               rows=[dict(method=row.name, world=f'{world.name}-{world.resolution}', seed=row.seed, eta=p['eta'],
                          kimg=round(learn.kimg, 3), factor=s['factor'], value=s['value'], share=s['share'], **res)])
    return {k:round(v, 3) for k,v in res.items()}
