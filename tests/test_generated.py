"""Calls that nobody wrote by hand: a sound call of a function, with one argument at a time replaced by what makes no sense; a function that is
an argument, by one that answers what makes no sense.

Each ends in a right answer or in one sentence of ours, and never in the depths or after a minute."""
import math,signal,traceback
from contextlib import contextmanager
from pathlib import Path
import numpy as np,pytest,torch
from semistyle.all import *
from semistyle.data.factors import CodeSpace
from semistyle.data.loaders import FactorLoader,split_labels,value_weights
from semistyle.discover.distill import DensityRatio,TotalCorrelation,train_vae
from semistyle.metrics import centrality as C,control as K,discovery as D,disentangle as E,factors as F,labels as L,path as P,quality as Q,separability as S,votes as V
from semistyle.metrics.control import control_between
from semistyle.models.sampling import Sampler
from semistyle.models.stylegan2 import StyleGAN2Generator
from semistyle.runs.export import export_program,save_onnx
from semistyle.training.learner import TrainingDiverged

@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    "A word that is given for a folder makes one, but not among the sources"
    monkeypatch.chdir(tmp_path)

def photo(o):
    from PIL import Image
    Image.new('RGB', (40,40), (9,99,200)).save(o/'p.png')
    return o/'p.png'

# Functions: a sound call each, by names of arguments
@pytest.fixture(scope='module')
def it(tmp_path_factory):
    class It: pass
    it = It()
    it.home = tmp_path_factory.mktemp('made')
    it.w,it.m = load_world('sprites', 16),load_model('robot-64')
    it.s,it.r = it.m.sampler(),load_world('robot', 64)
    it.photo = photo(it.home)
    it.weights = value_weights(it.w.space, 'shape', 0, .5)
    it.o = load_model('robot-oracle-64').oracle
    it.sg = load_model('shapes-stylegan2-32').generator
    it.v = torch.randn(2, it.sg.num_ws, it.sg.w_dim)
    it.dirs = Directions(it.v, owner_of(it.sg))
    torch.manual_seed(0)
    it.g = StyleGAN2Generator(z_dim=4, w_dim=8, img_resolution=8, channel_base=64,
                              channel_max=8).eval().requires_grad_(False)
    save_model(it.home/'tiny', {}, generator=it.g)
    it.gv,it.k = torch.randn(2, it.g.num_ws, 8),it.w.space.n_factors
    it.read = lambda x: x.flatten(1)[:,:it.k].abs().clamp(0, 1)
    it.draw = lambda c: torch.tanh(torch.randn(len(c),1,16,16)+c.mean(1)[:,None,None,None])
    it.see = lambda x: torch.stack([x.mean((1,2,3)), x.std((1,2,3)), x.amax((1,2,3))], 1)
    it.far = lambda a, b: (a-b).square().mean((1,2,3))
    it.see.name,it.far.name = 'see','far'
    it.img,it.asked = torch.rand(6,1,16,16)*2-1,it.w.space.sample_codes(600).numpy()
    it.codes,it.factors = np.random.default_rng(0).random((200,3)),np.random.default_rng(0).integers(3, size=(200,2))
    return it

def measured(f): return lambda it: (f, dict(codes=it.codes, factors=it.factors, seed=0))
def seen(f, **kw): return lambda it: (f, dict(encode=it.read, world=it.w, seed=0, **kw))
def made(f, **kw): return lambda it: (f, dict(generate=it.draw, oracle=it.read, space=it.w.space, n=100, seed=0, bs=50))
def moved(f, **kw): return lambda it: (f, dict(predict=it.see, g=it.g, directions=it.gv, n=6, **kw))
def first(f): return lambda **kw: f(**kw)[0]
CHANGES = dict(changes=torch.tensor([[.1,.5,.2],[.3,.1,.9]]))
COV = np.cov(np.random.default_rng(0).normal(size=(4,50)))
MEASURES = dict(
    Sampler=lambda it: (lambda **k: Sampler(it.g, **k).images(2, 0),
                        dict(psi=.7, noise_mode='const', pixels=1024, side=4)),
    **{f'Sampler.{o}':lambda it, o=o: (getattr(Sampler(it.g), o), dict(n=2, seed=0)) for o in ('images','ws','points')},
    of=lambda it: (it.s.of, dict(c=torch.rand(2, it.m.space.n_factors), seed=0)),
    save_onnx=lambda it: (lambda **k: save_onnx(it.g, **k), dict(path=it.home/'o.onnx', noise_mode='const', opset=18)),
    export_program=lambda it: (export_program, dict(model=it.home/'tiny', path=it.home/'o.pt2', noise_mode='const')),
    evaluate_encoder=seen(evaluate_encoder, n=100, bs=50),
    evaluate_factors=lambda it: (F.evaluate_factors, dict(encode=it.read, world=it.w, metrics=('mig',), n=400,
                                                          seeds=[0], bs=50)),
    evaluate_factor_vae=seen(V.evaluate_factor_vae, n=2000, n_train=50, n_test=20, bs=8, threshold=.05, n_var=100,
                             read_bs=50),
    evaluate_beta_vae=seen(V.evaluate_beta_vae, n=2000, n_train=50, n_test=20, bs=8, read_bs=50),
    evaluate_labels=seen(first(evaluate_labels), n=50),
    evaluate_generator=made(evaluate_generator), read_generated=made(first(read_generated)),
    render_ratio=lambda it: (render_ratio, dict(generate=it.draw, world=it.w, n=20, seed=0, bs=10)),
    factor_errors=lambda it: (factor_errors, dict(read=np.random.default_rng(0).random((600,it.k)), codes=it.asked,
                                                  space=it.w.space)),
    mig=lambda it: (E.mig, dict(codes=it.codes, factors=it.factors, n_bins=5)),
    l2=lambda it: (E.l2_score, dict(codes_pred=it.codes, codes_true=1-it.codes)),
    dci=measured(F.dci), dci_hist=measured(F.dci_hist), sap=measured(F.sap), explicitness=measured(F.explicitness),
    modularity=lambda it: (F.modularity, dict(codes=it.codes, factors=it.factors, n_bins=5)),
    disentanglement=lambda it: (F.disentanglement, dict(importance=it.codes[:3])),
    completeness=lambda it: (F.completeness, dict(importance=it.codes[:3])),
    factor_vae=lambda it: (V.factor_vae_score, dict(codes=it.codes, factors=it.factors, n_train=50, n_test=20, bs=8,
                                                    threshold=.05, seed=0)),
    beta_vae=lambda it: (V.beta_vae_score, dict(codes=it.codes, factors=it.factors, n_train=50, n_test=20, bs=8,
                                                seed=0)),
    centrality=lambda it: (C.centrality, dict(scores=it.codes[:3])),
    change_cosines=lambda it: (K.change_cosines, dict(ours=it.img, true=it.img.flip(0))),
    factor_cosines=lambda it: (K.factor_cosines, dict(generate=it.draw, world=it.w, n=4, seed=0, bs=2)),
    spectrum_ratio=lambda it: (K.spectrum_ratio, dict(images=it.img, true=it.img.flip(0))),
    turn_ratios=lambda it: (K.turn_ratios, dict(turn=lambda x, name, v: x*.9, world=it.w, names=['x'], n=6, seed=0,
                                                bs=3)),
    attribute_changes=moved(D.attribute_changes, step=1., seed=0, psi=1., bs=3),
    calibrate_steps=moved(lambda **k: D.calibrate_steps(**k)['step'], target=.1, grid=(.5,1,2)),
    discovery_scores=moved(D.discovery_scores, step=1., seed=0, average='absolute', units='predictor', min_change=0.),
    s_disen=lambda it: (D.s_disen, CHANGES), n_discov=lambda it: (D.n_discov, CHANGES | dict(min_change=0.)),
    repeats=lambda it: (D.repeats, dict(similarity=torch.eye(3), threshold=.9)),
    interpolate_steps=lambda it: (lambda **k: D.interpolate_steps(**k)['step'],
                                  dict(sizes=torch.tensor([[.1,.2],[.3,.4],[.5,.9]]), grid=(.5,1,2), target=.3)),
    name_directions=lambda it: (D.name_directions, CHANGES | dict(names=['a','b','c'], min_gap=.3, min_change=0.)),
    score_labels=lambda it: (first(L.score_labels),
                             dict(read=np.random.default_rng(0).random((600,it.k)), labels=it.asked, space=it.w.space)),
    path_length=lambda it: (P.perceptual_path_length,
                            dict(g=it.g, distance=it.far, space='w', sampling='end', n=6, noise='pair', epsilon=1e-2,
                                 seed=0, bs=3)),
    frechet=lambda it: (Q.frechet_distance, dict(mu1=np.zeros(4), sigma1=COV, mu2=np.ones(4), sigma2=COV)),
    trim=lambda it: (P.trim, dict(dist=it.codes[:,0])),
    kernel=lambda it: (Q.kernel_distance, dict(x=it.codes, y=1-it.codes, subsets=3, subset_size=20, seed=0)),
    precision=lambda it: (Q.precision_recall, dict(fake=it.codes[:50], real=it.codes[50:100], k=3, bs=20)),
    quality=lambda it: (Q.evaluate_quality, dict(generate=lambda n: torch.rand(n,1,16,16)*2-1,
                                                 data=torch.rand(20,1,16,16)*2-1, features=it.see, n=20,
                                                 metrics=('fd',), keep=10, subset_size=5,
                                                 seed=0, resolution=16, cache_dir=it.home/'c', bs=5)),
    conditional_entropy=lambda it: (S.conditional_entropy, dict(pred=it.factors[:,0], labels=it.codes[:,1].round(1))),
    linear_svm=lambda it: (S.linear_svm, dict(x=it.codes, y=np.sign(it.codes[:,0]-.5), C=1., tol=1e-6)),
    separability=lambda it: (S.separability_score,
                             dict(latents=it.codes, logits=it.codes-.5, names=['a','b','c'], keep=.5)))

FUNCTIONS = MEASURES | dict(
    value_weights=lambda it: (value_weights, dict(space=it.w.space, factor='shape', value=1, share=.5)),
    split_labels=lambda it: (split_labels, dict(space=it.w, eta=1e-4, seed=0, weights=it.weights)),
    FactorLoader=lambda it: (lambda **k: next(iter(FactorLoader(**k))),
                             dict(world=it.w, split=split_labels(it.w, 1e-4), bs=4, labelled_bs=2, seed=0, n_batches=1,
                                  weights=it.weights)),
    CodeSpace=lambda it: (lambda n, **k: CodeSpace(**k).sample_codes(n), dict(categories=(2,3), continuous=1, n=4)),
    FactorSpace=lambda it: (FactorSpace, dict(names=['a','b'], sizes=[2,3])),
    control_between=lambda it: (control_between, dict(generate=it.s.of, world=it.r, oracle=it.o, n=4, seed=0, bs=2)),
    train_vae=lambda it: (lambda **k: train_vae(**k, kimg=.008, progress=False),
                          dict(loader=FactorLoader(it.w, bs=4), beta=1., z_dim=2, width=4, hidden=8, lr=1e-3, seed=0,
                          likelihood='bernoulli', terms=[TotalCorrelation(2.)], minutes=1.)),
    TotalCorrelation=lambda it: (lambda **k: train_vae(FactorLoader(it.w, bs=4), z_dim=2, width=4, hidden=8, kimg=.008,
                                                       progress=False, terms=[TotalCorrelation(**k)]),
                                 dict(beta=2., estimator='weighted')),
    DensityRatio=lambda it: (lambda **k: train_vae(FactorLoader(it.w, bs=4), z_dim=2, width=4, hidden=8, kimg=.008,
                                                   progress=False, terms=[DensityRatio(**k)]),
                             dict(gamma=2., lr=1e-4, hidden=8)),
    load_world=lambda it: (load_world, dict(name='sprites', resolution=16)),
    load_dataset=lambda it: (load_dataset, dict(name=it.home, resolution=16, labels='none', fit='crop', filter='box',
                                                background=255, bits=16, channels=3)),
    score_factors=lambda it: (score_factors, dict(codes=it.codes, factors=it.factors, metrics=('mig','sap'), seed=0)),
    informative_subspace=lambda it: (informative_subspace, dict(g=it.sg, n=50, seed=0)),
    Directions=lambda it: (Directions, dict(variations=it.v, owner=owner_of(it.sg), names=['a','b'])),
    read_photos=lambda it: (read_photos, dict(paths=it.photo, resolution=16, channels=3, fit='crop', filter='box',
                                              background=255)),
    set_seed=lambda it: (set_seed, dict(seed=0)),
    gan_learner=lambda it: (gan_learner, dict(world=it.w, preset='robot-16', seed=0)),
    plan_run=lambda it: (lambda **k: plan_run('/nowhere', **k),
                         dict(world='sprites', preset='robot-16', seed=0, minutes=1., kimg=1.)))

def odd_answers(f):
    "Name -> a function that answers what makes no sense instead of what `f` answers"
    def of(change):
        def g(*args): return change(f(*args))
        if hasattr(f, 'name'): g.name = f.name
        return g
    return {k:of(o) for k,o in dict(nan=lambda y: y*math.nan, inf=lambda y: y/0, flat=lambda y: y.reshape(-1,1)[1:],
                                    short=lambda y: y[:-1], none=lambda y: None, text=lambda y: 'x',
                                    double=lambda y: y.double(), one=lambda y: y.mean(),
                                    list=lambda y: y.tolist()).items()}

def odd_values(v):
    "Name -> what makes no sense in the place of `v`"
    if isinstance(v, type(lambda: 0)): return odd_answers(v)
    if isinstance(v, bool) or callable(v): return {}
    if isinstance(v, (int,float)):
        return dict(nan=math.nan, inf=math.inf, below=-1, zero=0, part=1.5,
                    huge=1e30 if isinstance(v, float) else 10**30, word='x', list=[1], none=None,
                    array=np.array([1.,2.]), complex=1j)
    if isinstance(v, (str,Path)): return dict(empty='', word='nowhere', number=3, list=['a'], none=None, odd='[\n<b>')
    if isinstance(v, torch.Tensor):
        return dict(nan=v*math.nan, inf=v/0, complex=v+0j, bytes=(v*9).to(torch.uint8), empty=v[:0], flat=v.reshape(-1),
                    array=v.numpy(), word='x')
    if isinstance(v, np.ndarray):
        return dict(nan=v*math.nan, inf=v+math.inf, below=v-9, zero=v*0, short=v[:-1], flat=v.reshape(-1)[:3],
                    empty=v[:0], word='x', words=v.astype(str), none=None)
    if isinstance(v, (list,tuple)):
        return dict(empty=type(v)(), nan=type(v)([math.nan]), below=type(v)([-1]), words=type(v)(['x']),
                    none=type(v)([None]), number=3, twice=type(v)([*v,*v]))
    return {}                                                              # an object is what its caller says

ALLOWED = TypeError,ValueError,ImportError,OSError,TrainingDiverged
def ours(e):
    "Raised in this package, or by Python where a call does not fit"
    last = traceback.extract_tb(e.__traceback__)[-1]
    return '/semistyle/' in last.filename or '/fastcore/' in last.filename

class TooLong(Exception): pass

@contextmanager
def within(seconds):
    "Calls that take longer than any sound one are wrong as well"
    def stop(*_): raise TooLong(f'{seconds} s')
    was = signal.signal(signal.SIGALRM, stop); signal.alarm(seconds)
    try: yield
    finally: signal.alarm(0); signal.signal(signal.SIGALRM, was)

def wrong_of(name, it):
    "(argument, what was given, what happened) of calls that end in the depths"
    f,kw = FUNCTIONS[name](it)
    f(**kw)
    for k,v in kw.items():
        for what,o in odd_values(v).items():
            try:
                with within(60): res = f(**{**FUNCTIONS[name](it)[1], k:o})
            except ALLOWED as e:
                if not ours(e):
                    yield k,what,f'{type(e).__name__}: {str(e)[:120]} in {traceback.extract_tb(e.__traceback__)[-1].filename[-60:]}'
            except Exception as e: yield k,what,f'{type(e).__name__}: {str(e)[:120]}'
            else:
                nums = [x for x in (res.values() if isinstance(res, dict) else [res]) if isinstance(x, (float,np.ndarray,torch.Tensor))]
                if any(not np.isfinite(np.asarray(x, dtype=np.float64)).all() for x in nums):
                    yield k,what,'answers with what is not finite'

@pytest.mark.parametrize('name', FUNCTIONS)
def test_functions(name, it):
    "A right answer, or a sentence of ours"
    bad = [*wrong_of(name, it)]
    assert not bad, '\n'.join(map(str, bad))
