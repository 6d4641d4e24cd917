"Numbers and tensors that make no sense, given to the names of `semistyle.all`: one sentence of ours, which names the argument, or a right answer."
import math,traceback
from copy import deepcopy
import numpy as np,pytest,torch
from semistyle.all import *
from semistyle.metrics.factors import score_factors

nan,inf = math.nan,math.inf

@pytest.fixture(scope='module')
def it():
    class It: pass
    it = It()
    it.m,it.w = load_model('robot-64'),load_world('robot', 64)
    it.g,it.d,it.s,it.k = it.m.generator,it.m.discriminator,it.m.sampler(),it.m.space.n_factors
    it.o,it.sg = load_model('robot-oracle-64').oracle,load_model('shapes-stylegan2-32').generator
    it.z,it.sz = torch.randn(2, it.g.z_dim),torch.randn(2, it.sg.z_dim)
    it.ws,it.sws = it.g.mapping(it.z, torch.rand(2, it.k)).detach(),it.sg.mapping(it.sz).detach()
    it.img,it.c = it.w.tensor(np.arange(2)),torch.rand(2, it.k)
    it.owner = owner_of(it.g)
    it.v = torch.randn(2, it.g.num_ws, it.g.w_dim)
    it.dirs = Directions(it.v, it.owner)
    it.p = model_projector(it.m, samples=100)
    return it

def read(it): return lambda x: torch.rand(len(x), it.k)
def run(**kw): return lambda it: plan_run('/nowhere', world='sprites', preset='robot-16', **kw)
def learner(**kw): return lambda it: gan_learner(load_world('sprites', 16), 'robot-16', 0, **kw)
def found(**kw):
    return lambda it: learn_directions(it.g, DiscriminatorFeatures(it.d),
                                       **dict(kimg=.004, n_directions=2, subspace=100, progress=False,
                                              c=it.m.space.sample_codes) | kw)

ODD = dict(bytes=lambda x: (x*127+128).to(torch.uint8), whole=lambda x: x.long(), complex=lambda x: x+0j,
           array=lambda x: x.numpy(), list=lambda x: x.tolist())
FAR = dict(nan=lambda x: x*nan, inf=lambda x: x/0, range=lambda x: 127.5*x+127.5)
NETS = {'generator z':lambda it, f: it.g(f(it.z), it.c), 'generator ws':lambda it, f: it.g.synthesis(f(it.ws)),
        'StyleGAN2 z':lambda it, f: it.sg(f(it.sz)),
        'StyleGAN2 ws':lambda it, f: it.sg.synthesis(f(it.sws)), 'discriminator':lambda it, f: it.d(f(it.img))[0],
        'encode':lambda it, f: it.d.encode(f(it.img)), 'oracle':lambda it, f: it.o(f(it.img))}
DRAWN = {'generated':lambda it, f: evaluate_generator(lambda c: f(it.s.of(c)), it.o, it.m.space, 100, 0),
         'rendered':lambda it, f: render_ratio(lambda c: f(it.s.of(c)), it.w, 20, 0)}

REFUSED = {
    **{f'{k} {o}':(lambda it, k=k, f=f: NETS[k](it, f), 'should be a tensor of floats, got')
       for k in NETS for o,f in ODD.items()},
    **{f'{k} {o}':(lambda it, k=k, f=f: NETS[k](it, f), 'should be')
       for k in ('encode','oracle') for o,f in FAR.items()},
    **{f'{k} of {o}':(lambda it, k=k, f=f: DRAWN[k](it, f), 'generate')
       for k in DRAWN for o,f in {**ODD, **FAR}.items()},
    'read as complex':(lambda it: evaluate_encoder(lambda x: it.d.encode(x)+0j, it.w, 100, 0), 'got complex numbers'),
    **{f'factors {k}':(lambda it, v=v: score_factors(np.random.rand(600, 2), v), 'factors should be')
       for k,v in dict(continuous=np.random.rand(600, 2), nan=np.full((600,2), nan),
                       text=np.full((600,2), 'x')).items()},
    **{f'codes {k}':(lambda it, f=f: it.s.of(f(it.c)), 'codes should be in [0,1]') for k,f in
       dict(above=lambda c: c+1, below=lambda c: c-1, nan=lambda c: c*nan, inf=lambda c: c*inf).items()},
    'codes too few':(lambda it: it.s.of(it.c[:,:2]), '`c`'),
    **{f'pictures n={v}':(lambda it, v=v: it.s.images(v, 0), 'n should be a whole number')
       for v in (nan, -1, 10.5, 'x')},
    **{f'seed={v}':(lambda it, v=v: set_seed(v), 'seed should be from 0') for v in (nan, -1, 1.5, 2**32, '1')},
    **{f'measure n={v}':(lambda it, v=v: evaluate_encoder(read(it), it.w, v, 0), 'n should be a whole number')
       for v in (nan, 0, -3, 10.5)},
    **{f'generated n={v}':(lambda it, v=v: evaluate_generator(it.s.of, read(it), it.m.space, v, 0), 'n should be')
       for v in (nan, 0, -3, 10.5)},
    **{f'rendered n={v}':(lambda it, v=v: render_ratio(it.s.of, it.w, v, 0), 'n should be')
       for v in (nan, 0, -3, 10.5)},
    'encoder of NaN':(lambda it: evaluate_encoder(lambda x: torch.full((len(x),it.k), nan), it.w, 100, 0), ''),
    'encoder too wide':(lambda it: evaluate_encoder(lambda x: torch.rand(len(x), it.k+1), it.w, 100, 0), ''),
    **{f'resolution {v}':(lambda it, v=v: load_world('sprites', v), '`resolution` should be')
       for v in (nan, 0, -1, 10.5, 10**12)},
    **{f'factors of {v}':(lambda it, v=v: FactorSpace(['a'], [v]), '`sizes` should be')
       for v in (nan, 0, -1, 10.5, 'x')},
    'directions of NaN':(lambda it: Directions(it.v*nan, it.owner), 'should be finite'),
    'steps of NaN':(lambda it: Directions(it.v, it.owner, steps=[nan,1]), 'steps should be finite'),
    'attention of NaN':(lambda it: Directions(it.v, it.owner, attention=torch.full((2,it.g.num_ws), nan)),
                        'attention should be finite'),
    **{f'moved by {v}':(lambda it, v=v: it.dirs.apply(torch.zeros(1,it.g.num_ws,it.g.w_dim), **{'direction 0':v}),
                        'finite amount') for v in (nan, inf, -inf)},
    **{f'projected {k}':(lambda it, f=f: it.p.project(f(it.img), steps=1, progress=False), 'pictures should be')
       for k,f in
       dict(bytes=lambda x: (x*127+128).to(torch.uint8), nan=lambda x: x*nan, range=lambda x: x*127+128,
            one=lambda x: x[0], none=lambda x: x[:0], small=lambda x: x[...,:32,:32],
            array=lambda x: x.numpy()).items()},
    **{f'projected {k}={v}':(lambda it, k=k, v=v: it.p.project(it.img, **{'steps':1, k:v}, progress=False),
                             f'{k} should be') for k in ('steps','lr','prior','w_noise') for v in (nan, inf, -1)},
    **{f'seen {k}':(lambda it, f=f: DiscriminatorFeatures(it.d)(f(it.img)), 'images should be')
       for k,f in dict(bytes=lambda x: (x*127+128).to(torch.uint8), none=lambda x: x[:0]).items()},
    **{f'{k}={v}':(found(**{k:v}), f'{k} should be')
       for k,vs in dict(kimg=(nan,-1,0), lr=(nan,inf,-1), bs=(0,1,-2,2.5)).items() for v in vs},
    **{f'run {k}={v}':(run(**{k:v}), f'{k} should be')
       for k,vs in dict(seed=(nan,-1,1.5), minutes=(nan,-1,0,inf), kimg=(nan,-1,0,inf), lr_g=(nan,-1,inf),
       bs=(0,-1,1.5,nan), eta=(nan,2,-1), r1_gamma=(nan,-1,inf), gamma_g=(nan,-1),
                        ema_half_life=(nan,0,-5)).items() for v in vs},
    **{f'learner {k}={v}':(learner(**{k:v}), f'{k} should be')
       for k,vs in dict(lr_g=(nan,-1,inf), bs=(0,1.5), eta=(nan,2,-1)).items() for v in vs}}

@pytest.mark.parametrize('what', REFUSED)
def test_refused(what, it):
    f,says = REFUSED[what]
    with pytest.raises((ValueError, TypeError)) as e: f(it)
    assert says in str(e.value), str(e.value)
    assert 'semistyle' in traceback.extract_tb(e.tb)[-1].filename, 'raised in the depths'

def test_right(it):
    "Doubles, arrays and whole numbers are codes as well; doubles are pictures"
    torch.manual_seed(0); want = it.s.of(it.c, seed=0)
    for c in (it.c.double(), it.c.numpy(), it.c.tolist()): torch.testing.assert_close(it.s.of(c, seed=0), want)
    assert it.s.of(torch.ones(1, it.k, dtype=torch.int64)).isfinite().all()
    see = DiscriminatorFeatures(it.d)
    for a,b in zip(see(it.img.double()), see(it.img)): torch.testing.assert_close(a, b)

def test_right_for_networks(it):
    "Doubles and halves are taken in the network's precision; classes may be whole numbers; a network of doubles stays one"
    for k,f in NETS.items():
        torch.manual_seed(0); want = f(it, lambda x: x)
        torch.manual_seed(0); torch.testing.assert_close(f(it, lambda x: x.double()), want)
        torch.manual_seed(0); assert f(it, lambda x: x.half()).dtype==want.dtype
    c = torch.eye(it.k)[:2]
    with torch.no_grad():
        for o in (c.long(), c.bool(), c.double()):
            torch.testing.assert_close(it.g(it.z, o, noise_mode='const'), it.g(it.z, c, noise_mode='const'))
        d = deepcopy(it.d).double(); assert d.features(it.img.double()).dtype==torch.float64==d.features(it.img).dtype
        torch.testing.assert_close(evaluate_generator(lambda c: it.s.of(c).double(), it.o, it.m.space, 100,
                                                      0)['l2_gen'],
                                   evaluate_generator(it.s.of, it.o, it.m.space, 100, 0)['l2_gen'])

def test_extrapolation_is_let_be(it):
    "The generator itself may be asked beyond [0,1]; NaN comes out as NaN, which every measure refuses"
    with torch.no_grad():
        assert it.g(it.z, 1.5*torch.ones(2, it.k)).isfinite().all() and it.g(it.z, nan*it.c).isnan().any()

def test_factors_may_be_fractions():
    "Values of a factor are told apart, whatever numbers stand for them"
    rng = np.random.default_rng(0); f = rng.integers(3, size=(3000,2)); codes = f+.3*rng.normal(size=f.shape)
    metrics = ('factor_vae','beta_vae','mig','sap','modularity','explicitness','dci_hist')
    def scores(f):
        return {k:v[k] if k in v else v['dci_hist_disentanglement'] for k,v in score_factors(codes, f, metrics).items()}
    want = scores(f)
    for o in (f/7, f.astype(np.uint8), torch.from_numpy(f), f.astype(str)): assert scores(o)==want

def test_a_look_at_types_costs_nothing(it):
    "What is asked at every call, in training too, reads no number: microseconds, whatever the size"
    import time
    from semistyle.core import check_floats
    x,w = torch.empty(64,3,256,256),torch.zeros(1)
    start = time.perf_counter()
    for _ in range(1000): check_floats(x, 'img', w)
    assert time.perf_counter()-start<.1
