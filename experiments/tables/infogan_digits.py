"""InfoGAN's first figure: without a label, one category of ten comes to turn the digit (Chen et al. 2016, figure 2).

    python experiments/run.py infogan_digits --seeds 3

A row is the run of `semistyle_train --preset info-digits-8`. A classifier that was taught three quarters of the true digits reads what each
value of the category draws; values and digits are matched one to one, as well as can be, and counted is the share of pictures that are of their
value's digit. A picture stands beside: a row for each value, in the order of the digits, a column for each latent."""

settings = dict(
    preset='info-digits-8', # Settings that every row starts from
    kimg=60.,               # Thousands of images for each row
    n=2000)                 # Drawn pictures that are read
rows = {'category': dict(), 'category_alone': dict(continuous=0)}
sets = dict(figure={'category':rows['category']}, all=rows)

def fits(name, p):
    "Whether a preset learns codes without labels, of digits"
    return p['kind']=='info' and 'digits' in name.split('-')

def target(row, seed, settings): return f"{settings['preset']}/{row}-{seed}.json"

def judge_of(ds, taught=1400):
    "A classifier of digits, and the share of the rest that it reads aright"
    import numpy as np
    from sklearn.svm import SVC
    x,y = ds.tensor(np.arange(len(ds))).flatten(1).numpy(),ds.labels
    judge = SVC().fit(x[:taught], y[:taught])
    return judge,float(judge.score(x[taught:], y[taught:]))

def matched(g, space, judge, n, seed):
    "Share of drawn pictures that are of the digit matched with their value; that digit for each value; and how often each value is read as which"
    import numpy as np,torch
    from scipy.optimize import linear_sum_assignment
    rng = torch.Generator().manual_seed(seed)
    c,z = space.sample_codes(n, rng),torch.randn(n, g.z_dim, generator=rng)
    with torch.no_grad(): drawn = judge.predict(g(z, c, noise_mode='const').clamp(-1, 1).flatten(1).numpy())
    table = np.zeros((10,10), int); np.add.at(table, (c[:,:10].argmax(1).numpy(),drawn), 1)
    values,digits = linear_sum_assignment(-table)
    return float(table[values,digits].sum()/n),digits.tolist(),table.tolist()

def drawn_rows(g, space, digits, columns=12, seed=0):
    "A row of pictures for each value of the category, in the order of their digits; a latent, and the other parts of its code, for each column"
    import numpy as np,torch
    from semistyle.viz import image_grid
    rng = torch.Generator().manual_seed(seed)
    z,c = torch.randn(columns, g.z_dim, generator=rng),space.sample_codes(columns, rng)
    def row(k): c[:,:10] = torch.eye(10)[k]; return g(z, c, noise_mode='const')
    with torch.no_grad(): return image_grid([row(int(k)) for k in np.argsort(digits)])

def run_row(row):
    "Train one row with one seed, and record it; a picture stands beside it"
    from semistyle.data.open import load_dataset
    from semistyle.models.checkpoint import load_model
    from semistyle.viz import save_image
    s = row.settings
    learn = row.train(world='digits', preset=s['preset'], kimg=s['kimg'], **row.how)
    g,space = learn.generator_ema.g_ema,learn.code_space
    judge,right = judge_of(load_dataset('digits', g.img_resolution))
    share,digits,table = matched(g, space, judge, s['n'], row.seed)
    save_image(row.path.with_suffix('.png'), drawn_rows(g, space, digits))
    row.record(seconds=load_model(row.folder/'model').config['seconds'], digits=digits, table=table,
               rows=[dict(method=row.name, world=f'digits-{g.img_resolution}', seed=row.seed, kimg=round(learn.kimg, 3), matched=share, judge=right)])
    return dict(matched=round(share, 3), judge=round(right, 3))
