"Compiled kernels against the formula step by step: with noise, in float32, differentiated twice, and without a compiler."
import io,os,subprocess,sys
from contextlib import redirect_stderr
import pytest,torch
from semistyle.models import kernels as K
from semistyle.models.stylegan import StyledLayer
from semistyle.models.layers import EqualConv2d

SIZES = [(8,16,4), (3,24,16), (2,128,4)]

@pytest.fixture(scope='module', autouse=True)
def one_thread():
    n = torch.get_num_threads(); torch.set_num_threads(1); yield; torch.set_num_threads(n)

@pytest.fixture(scope='module')
def compiled():
    "The kernels, compiled once for this module; the tests are skipped, and say so, where there is no compiler, but not where numbers differ"
    K._probe.cache_clear()
    with redirect_stderr(io.StringIO()) as said:
        ok = all([K._probe(dtype, noise) for dtype in (torch.bfloat16,torch.float32) for noise in (False,True)])
    assert 'differ' not in said.getvalue(), said.getvalue()
    if not ok: pytest.skip('this machine has no compiler that torch.compile can use')

def maps(n, c, r, dtype, channels=None):
    return torch.randn(n, channels or c, r, r).to(dtype).contiguous(memory_format=torch.channels_last)

def inputs(n, c, r, dtype, noise):
    ins = [maps(n, c, r, dtype),torch.randn(c),torch.randn(n,c),torch.randn(n,c)]
    for o in ins: o.requires_grad_()
    return ins + ([maps(n, c, r, dtype, 1),torch.randn(c).requires_grad_()] if noise else [])

def gradients(y, ins, g, **kw): return torch.autograd.grad(y, [o for o in ins if o.requires_grad], g, **kw)

def same(a, b, eps): assert a.dtype==b.dtype and (a.float()-b.float()).abs().max() <= eps*b.float().abs().max()

@pytest.mark.parametrize('noise', [False,True])
@pytest.mark.parametrize('dtype,eps', [(torch.float32,1e-4), (torch.bfloat16,.02)])
def test_values_and_gradients(compiled, dtype, eps, noise):
    torch.manual_seed(0)
    for size in SIZES:
        ins = inputs(*size, dtype, noise); g = maps(*size, dtype)
        a,b = (fn(*ins) for fn in (K.restyle,K.restyle_by_steps))
        same(a, b, eps)
        for o,p in zip(gradients(a, ins, g), gradients(b, ins, g), strict=True): same(o, p, eps)

@pytest.mark.parametrize('noise', [False,True])
def test_differentiated_twice(compiled, noise):
    "A penalty on the gradient, as R1 is one, has the same gradient by both ways"
    torch.manual_seed(1)
    ins = inputs(4, 8, 4, torch.float32, noise); g = maps(4, 8, 4, torch.float32)
    def second(fn):
        y = fn(*ins)
        penalty = sum(o.square().sum() for o in gradients(y, ins, g*y.detach().sign(), create_graph=True))
        return gradients(penalty, ins, None, allow_unused=True)
    pairs = [*zip(second(K.restyle), second(K.restyle_by_steps), strict=True)]
    assert sum(o is not None for o,_ in pairs) >= 3
    for o,p in pairs:
        assert (o is None)==(p is None)
        if p is not None: same(o, p, 1e-3)

def graphs(): return torch._dynamo.utils.counters['stats']['unique_graphs']

def test_sizes_share_one_code(compiled):
    "Sizes that were not met before, and sizes that happen to be equal, compile nothing more"
    before = graphs()
    for size in ((5,12,8), (7,40,4), (16,16,4)):
        ins = inputs(*size, torch.bfloat16, True)
        gradients(K.restyle(*ins), ins, maps(*size, torch.bfloat16))
    assert before>0 and graphs()==before

@pytest.mark.parametrize('mode', ['none','const','random'])
def test_a_layer_says_the_same_with_kernels_and_without(compiled, mode):
    "Its parameters, the halves of its styles and its expanded noise compile nothing more either"
    torch.manual_seed(2)
    layer = StyledLayer(EqualConv2d(8, 16, up=True, blur=True), 16, 8, 12)
    torch.nn.init.normal_(layer.noise.strength)
    x,w,g = maps(4, 8, 4, torch.float32).requires_grad_(),torch.randn(4,12),maps(4, 16, 8, torch.float32)
    def run(on):
        torch.manual_seed(3)
        with K.use_kernels(on): y = layer(x, w, mode)
        return [y.detach(), *torch.autograd.grad(y, [x,*layer.parameters()], g, allow_unused=True)]
    before = graphs()
    pairs = [*zip(run(True), run(False), strict=True)]
    assert graphs()==before and sum(o is None for o,_ in pairs)==(mode=='none')
    for o,p in pairs:
        assert (o is None)==(p is None)
        if p is not None: same(o, p, 1e-3)

def test_where_no_gradient_is_asked_nothing_is_compiled():
    x = maps(2, 4, 4, torch.float32)
    with K.use_kernels(): assert not K.kernels_for(x)
    assert not K.kernels_for(x.requires_grad_())
    with K.use_kernels(), torch.no_grad(): assert not K.kernels_for(x)
    with K.use_kernels(): assert not K.kernels_for(maps(1, 4, 4, torch.float32).requires_grad_())

@pytest.mark.parametrize('wrong', ['value','gradient'])
def test_kernels_that_differ_are_not_used(monkeypatch, capsys, wrong):
    "The probe compares values and gradients; what stands in for compiled code here is off by a tenth"
    def forward(*a): y,*rest = K._forward(*a); return y*(1.1 if wrong=='value' else 1.),*rest
    def backward(*a): dx,*rest = K._backward(*a); return dx*(1.1 if wrong=='gradient' else 1.),*rest
    for fns,ok in (((forward,backward),False), ((K._forward,K._backward),True)):
        monkeypatch.setattr(K, '_compile', lambda: fns)
        assert K._probe.__wrapped__(torch.float32, True)==ok
        assert ('are not compiled (they differ from the steps in' in capsys.readouterr().err)==(not ok)

WITHOUT = """
import torch
from semistyle.models import kernels as K
from semistyle.models.stylegan import StyledLayer
from semistyle.models.layers import EqualConv2d
torch.manual_seed(0); layer = StyledLayer(EqualConv2d(4, 8), 8, 4, 6); x = torch.randn(2,4,4,4, requires_grad=True); w = torch.randn(2,6)
def run(on):
    with K.use_kernels(on): y = layer(x, w, 'const')
    return [y, *torch.autograd.grad(y.square().sum(), [x,*layer.parameters()])]
for _ in range(2): a = run(True)
assert all(torch.equal(o, p) for o,p in zip(a, run(False), strict=True))
"""

@pytest.mark.parametrize('compiler', [None,'#!/bin/sh\nexit 1','#!/bin/sh\nwhile [ $# -gt 0 ]; do [ "$1" = -o ] && echo no code > "$2"; shift; done'],
                         ids=['none','fails','no-code'])
def test_without_a_compiler(tmp_path, compiler):
    "There is none, it fails, or what it writes is no code: one sentence says so, and the layer computes what it computes without kernels, bit for bit"
    cxx = tmp_path/'c++'
    if compiler: cxx.write_text(compiler+'\n'); cxx.chmod(0o755)
    env = os.environ | dict(CXX=str(cxx), TORCHINDUCTOR_CACHE_DIR=str(tmp_path/'cache'), OMP_NUM_THREADS='1')
    p = subprocess.run([sys.executable, '-c', WITHOUT], env=env, text=True, capture_output=True, timeout=300)
    assert p.returncode==0, p.stderr
    said = [o for o in p.stderr.splitlines() if o.startswith('semistyle:')]
    assert len(said)==1 and 'are not compiled' in said[0], p.stderr

def test_reference_ops_do_without(monkeypatch):
    "Step by step means step by step, also where kernels are switched on: a benchmark's baseline has none"
    from semistyle.models import stylegan as S
    from semistyle.models.layers import reference_ops
    monkeypatch.setattr(S, 'kernels_for', lambda *_: pytest.fail('a kernel was asked for'))
    layer,x = StyledLayer(EqualConv2d(4, 4), 4, 8, 3),torch.randn(2, 4, 8, 8, requires_grad=True)
    with K.use_kernels(), reference_ops(): layer(x, torch.randn(2, 3))
