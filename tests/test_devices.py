"No GPU is needed to see that all of a training step happens on one device: fake tensors of a card refuse others, and the meta device takes a whole step."
import re
from contextlib import nullcontext
import pytest,torch
from fastai.callback.core import Callback
from torch._subclasses.fake_tensor import FakeTensorMode
from commands import refuses
from conftest import ROOT
from semistyle.models.layers import _fold_matrix
from semistyle.training.callbacks import GeneratorEMA
from semistyle.training.gan import MixUpSmoothness,StyleGANLearner
from semistyle.training.presets import get_preset,preset_networks,preset_terms

class Loader:
    bs,n_batches,position = 8,1,0
    def __len__(self): return 1

def learner(preset, device, dtype=torch.float32, cbs=(), **how):
    "A Learner of a preset whose networks were made on a device, with a batch of it"
    p = get_preset(preset, **how)
    with torch.device(device): g,d = preset_networks(p, 3)
    learn = StyleGANLearner(Loader(), g, d, [*preset_terms(p), GeneratorEMA(), *cbs],
                            sample_codes=lambda n: torch.rand(n, g.c_dim), dtype=dtype)
    x = torch.randn(8, 3, *[p['img_resolution']]*2, device=device)
    learn.xb,learn.yb = ((x, x[:4]),(torch.rand(4, 3, device=device),)) if p['kind']=='semi' else ((x,),())
    learn.create_opt()
    return learn

SEMI = [('robot-16', dict(grow_share=0., **o)) for o in ({}, dict(smoothness='cutmix'), dict(smoothness='cutout'),
                                                         dict(image_weight=1., eta=.5))]
KINDS = [*SEMI, ('world-16', {}), ('info-robot-32', dict(grow_share=0., kernels=False)), ('info-digits-8', {})]

@pytest.mark.parametrize('preset,how', KINDS, ids=lambda o: o if isinstance(o, str) else '-'.join(map(str, o.values())))
def test_a_step_on_the_meta_device(monkeypatch, preset, how):
    "Both phases, lazy terms, both optimisers, mixed styles and averages: every shape fits, and nothing is left on the processor"
    if how.get('image_weight'): pytest.skip('which labels are known decides shapes')
    # there is none of the meta device
    monkeypatch.setattr(torch, 'autocast', lambda *args, **kwargs: nullcontext())
    monkeypatch.setattr(torch, 'is_autocast_enabled', lambda *args: False)
    learn = learner(preset, 'meta', **how)
    class Mixed(Callback):
        def mix(self, z, c, ws): return torch.cat([ws[:,:1], self.generator.mapping(torch.randn_like(z), c)[:,1:]], 1)
    learn.add_cb(Mixed)
    for _ in range(2): learn._do_one_batch()
    learn.generator_ema.before_fit(); learn.generator_ema.after_batch()
    assert {v.device.type for v in learn.losses.values()}=={'meta'} and all(v.shape==() for v in learn.losses.values())
    assert {p.grad.device.type for p in learn.model.parameters() if p.grad is not None}=={'meta'}
    assert len({k.split('.')[-1] for k in learn.losses})>=3

@pytest.mark.parametrize('preset,how', KINDS, ids=lambda o: o if isinstance(o, str) else '-'.join(map(str, o.values())))
def test_losses_on_a_fake_card(preset, how):
    "Every term's value with fake CUDA tensors, which refuse to meet those of a processor"
    if how.get('image_weight'): pytest.skip('which labels are known decides shapes')
    _fold_matrix.cache_clear()
    try:
        with FakeTensorMode(), torch.no_grad():
            learn = learner(preset, 'cuda', **how)
            learn.optimise = lambda name,loss: None
            for o in learn.cbs:
                # these differentiate, for which a card must be there
                if getattr(o, 'interval', 1)>1: o.weight = lambda phase: 0.
            learn._do_one_batch()
            assert {str(v.device) for v in learn.losses.values()}=={'cuda:0'}
    finally: _fold_matrix.cache_clear()

def test_a_fake_card_would_notice():
    "A loss with a tensor that was left on the processor fails"
    _fold_matrix.cache_clear()
    try:
        with FakeTensorMode(), torch.no_grad():
            learn = learner('robot-16', 'cuda', grow_share=0.); learn.optimise = lambda name,loss: None
            term = next(o for o in learn.cbs if isinstance(o, MixUpSmoothness))
            term.shares = lambda x: torch.rand(len(x))
            with pytest.raises(Exception, match='cpu'): learn._do_one_batch()
    finally: _fold_matrix.cache_clear()

def test_float16_gradients():
    "In float16, with scaled gradients, a step is that of float32 to half precision"
    from semistyle.core import set_seed
    def grads(dtype, preset, **how):
        set_seed(0); learn = learner(preset, 'cpu', dtype, **how); found = {}
        def note(name, loss):
            loss = loss if isinstance(loss, torch.Tensor) else sum(loss)
            p = [*(learn.generator if name=='g' else learn.discriminator).parameters()]
            scale = 2.**7 if dtype==torch.float16 else 1.
            found[len(found)] = [o/scale for o in torch.autograd.grad(loss*scale, p, allow_unused=True) if o is not None]
        learn.optimise = note; learn._do_one_batch()
        return found
    for preset,how in (('robot-16', dict(grow_share=0.)),('world-16', {}),('world-32', {})):
        full,half = grads(torch.float32, preset, **how),grads(torch.float16, preset, **how)
        for i in full:
            a,b = [torch.cat([v.flatten().double() for v in o[i]]) for o in (full,half)]
            assert b.isfinite().all() and (a-b).norm()<.1*a.norm(), (preset,i,float((a-b).norm()/a.norm()))

def test_float16_trains():
    "Some batches: where a gradient is too large the step is left out and the factor halved, and all stays finite"
    from semistyle.core import set_seed
    from semistyle.data.open import load_world
    from semistyle.training.presets import gan_learner
    set_seed(0); learn = gan_learner(load_world('sprites', 16), 'robot-16', grow_share=0.).to_fp16()
    before = [p.clone() for p in learn.model.parameters()]
    learn.fit_kimg(.16)
    assert all(p.isfinite().all() for p in learn.model.parameters()) and not all(torch.equal(a, b) for a,b in zip(before, learn.model.parameters()))
    assert 1<=learn.scaler('d').get_scale()<=2**16 and 'scaler_g.scale' in learn.training_state()[0]

DEVICE = re.compile(r"cuda|'mps'|\.type ?[=!]=|autocast\(|memory_format\(|pin_memory|GradScaler|fast_dtype\(|default_device\(")

def test_every_line_that_asks_for_a_device_is_listed():
    "The table of `bench.gpu` names each module in which the device decides something"
    table = (ROOT/'nbs'/'bench'/'83c_gpu.ipynb').read_text()
    found = {p.relative_to(ROOT/'semistyle').with_suffix('').as_posix().replace('/', '.')
             for p in (ROOT/'semistyle').rglob('*.py')
             if p.name not in ('_modidx.py','gpu.py') and DEVICE.search(re.sub(r'#.*|"[^"\n]*"', '', p.read_text()))}
    missing = [o for o in found if o not in table]
    assert not missing, sorted(missing)

def test_bench_without_a_card():
    if torch.cuda.is_available() or torch.backends.mps.is_available():
        pytest.skip('there is a GPU: run `semistyle_bench gpu`')
    refuses('semistyle_bench', 'gpu', says=['a GPU should be here for gpu','finds none: run it where there is one'])
