"""Checkpoints in the public formats, made here, draw the same pictures after an import; hostile ones are refused unrun.

NVIDIA's format is written as NVIDIA's programs write it: an object of a persistent class is pickled as a call of
`torch_utils.persistence._reconstruct_persistent_obj` with the source of its module, its class and its attributes.
"""
import argparse,collections,io,json,os,pickle,struct,sys,types,zipfile
from contextlib import contextmanager
from pathlib import Path
import numpy as np, pytest, torch
from safetensors.torch import load_file,save_file
import commands,plain_stylegan2 as plain
from semistyle.models.checkpoint import load_model
from semistyle.models.importing.description import ImportRefused
from semistyle.models.importing.networks import import_model

SOURCE = Path(plain.__file__).read_text()
SMALL = dict(channel_base=128, channel_max=16)

@pytest.fixture(autouse=True)
def seeded(): torch.manual_seed(0)

@contextmanager
def nvidia_modules():
    "Stand-ins for the modules that NVIDIA's pickles name, so that Python can write such pickles"
    class EasyDict(dict):
        __setattr__,__delattr__ = dict.__setitem__,dict.__delitem__
        def __getattr__(self, k):
            try: return self[k]
            except KeyError: raise AttributeError(k)
    def _reconstruct_persistent_obj(meta):
        "As NVIDIA's: this one does run the source"
        module = types.ModuleType('imported'); exec(meta['module_src'], module.__dict__)
        cls = module.__dict__[meta['class_name']]
        obj = cls.__new__(cls); obj.__dict__.update(meta['state'])
        return obj
    mods = {o:types.ModuleType(o) for o in ('torch_utils','torch_utils.persistence','dnnlib','dnnlib.util')}
    EasyDict.__module__,EasyDict.__qualname__ = 'dnnlib.util','EasyDict'
    _reconstruct_persistent_obj.__module__,_reconstruct_persistent_obj.__qualname__ = 'torch_utils.persistence','_reconstruct_persistent_obj'
    mods['dnnlib.util'].EasyDict,mods['torch_utils.persistence']._reconstruct_persistent_obj = EasyDict,_reconstruct_persistent_obj
    sys.modules.update(mods)
    try: yield EasyDict,_reconstruct_persistent_obj
    finally:
        for o in mods: del sys.modules[o]

def nvidia_pickle(protocol=4, source=SOURCE, version=6, rename={}, **networks):
    "Networks as NVIDIA's training loop saves them"
    with nvidia_modules() as (EasyDict, reconstruct):
        class Pickler(pickle.Pickler):
            def reducer_override(self, o):
                if isinstance(o, type) or not isinstance(o, torch.nn.Module): return NotImplemented
                name = type(o).__name__
                state = dict(o.__dict__, _init_args=(), _init_kwargs=EasyDict(mapping_kwargs=EasyDict(num_layers=2)))
                meta = dict(type='class', version=version, module_src=source, class_name=rename.get(name, name),
                            state=state)
                return reconstruct,(meta,),None
        f = io.BytesIO()
        Pickler(f, protocol).dump(dict(training_set_kwargs=EasyDict(path='x.zip', max_size=None), augment_pipe=None,
                                       **networks))
        return f.getvalue()

def generator(res=16, c_dim=0, w_dim=16, img_channels=3, layers=2, **kw):
    return plain.Generator(16, c_dim, w_dim, res, img_channels, dict(num_layers=layers), **SMALL | kw).eval()

def imported(tmp_path, data, name='net.pkl'):
    (tmp_path/name).write_bytes(data)
    return import_model(tmp_path/name, tmp_path/'out')

@torch.no_grad()
def same_pictures(theirs, ours, c=None, n=3):
    "Equal pictures from equal ws and from equal latents, with constant noise, to 1e-4"
    z = torch.randn(n, theirs.z_dim)
    ws = theirs.mapping(z, c)
    assert (ours.mapping(z, c)-ws).abs().max()<1e-4
    assert (ours.mapping(z, c, truncation_psi=.6, truncation_cutoff=3)-theirs.mapping(z, c, .6, 3)).abs().max()<1e-4
    ws = ws+.3*torch.randn_like(ws)                                      # every layer a style of its own
    want = theirs.synthesis(ws)
    assert want.std()>.1
    assert (ours.synthesis(ws, noise_mode='const')-want).abs().max()<1e-4

@pytest.mark.parametrize('kw', [dict(), dict(res=32, conv_clamp=256.), dict(architecture='resnet'),
                                dict(architecture='orig'),
    dict(c_dim=3), dict(resample_filter=[1,1]), dict(resample_filter=[1,2,1]), dict(resample_filter=[1,2,3,4,5]),
    dict(img_channels=1, use_noise=False), dict(channel_base=200, channel_max=999), dict(w_dim=8, layers=5),
    dict(conv_clamp=.5, architecture='resnet'), dict(conv_clamp=1.5)], ids=str)
def test_nvidia(tmp_path, kw):
    theirs = generator(**kw)
    m = imported(tmp_path, nvidia_pickle(G=generator(), D=None, G_ema=theirs))
    same_pictures(theirs, m.generator, torch.eye(3) if 'c_dim' in kw else None)
    assert torch.equal(m.generator.w_avg, theirs.mapping.w_avg)
    assert m.config['imported']['network']=='G_ema' and len(m.config['imported']['sha256'])==64 and m.generator.c_dim==kw.get('c_dim', 0)

@pytest.mark.parametrize('protocol', [2,3,4,5])
def test_protocols(tmp_path, protocol):
    theirs = generator()
    same_pictures(theirs, imported(tmp_path, nvidia_pickle(protocol, G_ema=theirs)).generator)

def test_the_fixture_is_real(tmp_path):
    "Opened as NVIDIA's programs do, running the source, the same file gives the same pictures"
    data,ws = nvidia_pickle(G_ema=generator()),torch.randn(2,6,16)
    with nvidia_modules(), torch.no_grad(): theirs = pickle.loads(data)['G_ema'].synthesis(ws)
    with torch.no_grad(): ours = imported(tmp_path, data).generator.synthesis(ws, 'const')
    assert (ours-theirs).abs().max()<1e-4

@pytest.mark.parametrize('kw', [dict(), dict(c_dim=3, mapping_kwargs=dict(num_layers=2)), dict(conv_clamp=.7),
                                dict(group=None),
                                dict(resample_filter=[1,2,1]), dict(architecture='orig'),
                                dict(architecture='orig', conv_clamp=.7, resample_filter=[1,2,1]),
                                dict(architecture='orig', c_dim=3, mapping_kwargs=dict(num_layers=2))], ids=str)
def test_discriminator(tmp_path, kw):
    d = plain.Discriminator(kw.pop('c_dim', 0), 16, 3, **SMALL | kw)
    m = imported(tmp_path, nvidia_pickle(G_ema=generator(c_dim=d.c_dim), D=d))
    img,c = torch.randn(8,3,16,16),torch.eye(3)[[0,1,2,0,1,2,0,1]] if d.c_dim else None
    with torch.no_grad(): assert (m.discriminator(img, c)-d(img, c)).abs().max()<1e-4

def _conv(x, weight, bias, k, down=False):
    "NVIDIA's Conv2dLayer with lrelu, written out: filter and stride after zeros around, weights over the root of their number, gain sqrt(2)"
    w = weight/(weight[0].numel())**.5
    if down:
        f = torch.tensor([1.,3.,3.,1.]); f = torch.outer(f, f)/64
        x = torch.nn.functional.conv2d(x.flatten(0, 1)[:,None], f[None,None],
                                       padding=2).unflatten(0, x.shape[:2])[:,:,0]
        x = torch.nn.functional.conv2d(x, w, stride=2)
    else: x = torch.nn.functional.conv2d(x, w, padding=k//2)
    return torch.nn.functional.leaky_relu(x+bias[:,None,None], .2)*2**.5

def test_the_older_discriminator_by_its_definition(tmp_path):
    "Without residual levels, whole and as a state dict: logits and maps of every level are those of NVIDIA's formula, computed from the file's numbers alone"
    from semistyle.models.features import DiscriminatorFeatures
    d = plain.Discriminator(0, 16, 3, **SMALL, architecture='orig')
    sd = {k:v.double() for k,v in d.state_dict().items()}
    (tmp_path/'a').mkdir(); (tmp_path/'b').mkdir()
    torch.save(dict(G=generator().state_dict(), D=d.state_dict()), tmp_path/'b'/'net.pt')
    whole,states = imported(tmp_path/'a',
                            nvidia_pickle(G_ema=generator(), D=d)),import_model(tmp_path/'b'/'net.pt', tmp_path/'b'/'out')
    img = torch.randn(4,3,16,16); x,maps = img.double(),[]
    def layer(name, x, k, down=False): return _conv(x, sd[f'{name}.weight'], sd[f'{name}.bias'], k, down)
    torch.set_default_dtype(torch.float64)
    try:
        x = layer('b16.fromrgb', x, 1)
        for r in (16,8): maps.append(x); x = layer(f'b{r}.conv1', layer(f'b{r}.conv0', x, 3), 3, True)
        maps.append(x)
        # one group of four
        dev = ((x-x.mean(0)).square().mean(0)+1e-8).sqrt().mean()
        x = layer('b4.conv', torch.cat([x, dev.expand(4,1,4,4)], 1), 3).flatten(1)
        x = torch.nn.functional.leaky_relu(x@sd['b4.fc.weight'].T/x.shape[1]**.5+sd['b4.fc.bias'], .2)*2**.5
        want = (x@sd['b4.out.weight'].T/x.shape[1]**.5+sd['b4.out.bias'])[:,0]
    finally: torch.set_default_dtype(torch.float32)
    assert want.std()>.1
    for m in (whole, states):
        assert not m.config['imported']['notes'] or m is states
        with torch.no_grad(): assert (m.discriminator(img)-want).abs().max()<1e-5*want.abs().max()
        assert m.discriminator.init_args['architecture']=='orig'
        read = DiscriminatorFeatures(m.discriminator)(img)
        assert [o.shape[-1] for o in read]==[16,8,4]
        assert all((a-b).abs().max()<1e-5*b.abs().max() for a,b in zip(read, maps))

def test_a_discriminator_that_is_not_ours_is_left_out(tmp_path):
    d = plain.Discriminator(0, 16, 3, **SMALL, architecture='skip')
    m = imported(tmp_path, nvidia_pickle(G_ema=generator(), D=d))
    assert 'discriminator' not in m.networks and "architecture='skip', which is not supported" in m.config['imported']['notes'][0]

def test_frozen_half_and_bare(tmp_path):
    "Frozen layers keep their weights as buffers; half precision widens; a network may be saved by itself"
    theirs = generator()
    for fc in (theirs.mapping.fc0, theirs.mapping.fc1):
        for k in ('weight','bias'):
            v = getattr(fc, k).detach(); delattr(fc, k); fc.register_buffer(k, v)
    same_pictures(theirs, imported(tmp_path, nvidia_pickle(G_ema=theirs)).generator)
    with torch.no_grad():
        for p in theirs.parameters(): p.copy_(p.half().float())
    want = theirs.synthesis(torch.ones(1,6,16)).detach()
    half = theirs.half()
    got = imported(tmp_path, nvidia_pickle(G_ema=half)).generator.synthesis(torch.ones(1,6,16), 'const').detach()
    assert (got-want).abs().max()<.02                      # the constant noise was halved too
    with nvidia_modules(): pass
    data = nvidia_pickle(G_ema=generator())
    with nvidia_modules() as (_, f): assert pickle.loads(data)['G_ema']

# ---- what is refused by name
def attribute(path, **values):
    g = generator()
    for k,v in values.items(): setattr(g.get_submodule(path), k, v)
    return g

@pytest.mark.parametrize('g,says', [
    (lambda: attribute('synthesis.b8.conv0', activation='swish'),
     "`synthesis.b8.conv0` has activation='swish', which is not supported"),
    (lambda: attribute('mapping.fc1', activation='relu'), "activation='relu'"),
    (lambda: attribute('synthesis.b8', architecture='dense'), "layers differ in `architecture`"),
    (lambda: attribute('synthesis.b8.conv1', conv_clamp=7.), "layers differ in `conv_clamp`"),
    (lambda: attribute('synthesis.b8.conv1', conv_clamp=[[]]), "should be text or a number, is a list"),
    (lambda: attribute('mapping.fc0', bias_gain=.5), 'layers differ in `bias_gain`'),
    (lambda: attribute('synthesis.b8.conv0', up=4), 'has up=4'),
    (lambda: attribute('', z_dim=8), 'should have shape [16, 8], has [16, 16]'),
    (lambda: attribute('', z_dim='x'), 'its settings make no network'),
    (lambda: attribute('', w_dim=10**9), 'should have shape'),
    (lambda: attribute('synthesis.b8', resample_filter=torch.eye(4)), 'resample_filter is not separable'),
    (lambda: attribute('synthesis.b8.conv1', weight=torch.nn.Parameter(torch.randn(16,16,5,5))),
     'should have shape [16, 16, 3, 3]'),
    (lambda: attribute('synthesis.b8.conv1', bias=torch.nn.Parameter(torch.full((16,), float('nan')))), 'not finite'),
])
def test_unsupported(tmp_path, g, says):
    with pytest.raises(ImportRefused) as e: imported(tmp_path, nvidia_pickle(G_ema=g()))
    assert says in str(e.value) and 'net.pkl' in str(e.value) and not (tmp_path/'out').exists()

def test_other_networks(tmp_path):
    for rename,says in ((dict(SynthesisBlock='SynthesisInput'),
                         'a StyleGAN3 generator: alias-free layers are not supported'),
                        (dict(SynthesisLayer='Attention'), 'layers of class Attention are not supported'),
                        (dict(Generator='TriPlaneGenerator'), "a Generator is wanted, it has 'TriPlaneGenerator'")):
        with pytest.raises(ImportRefused, match=says):
            imported(tmp_path, nvidia_pickle(G_ema=generator(), rename=rename))

# ---- rosinality
CHANNELS = [16,16,8]

@pytest.mark.parametrize('zipped', [True, False])
@pytest.mark.parametrize('taps', [(1,3,3,1), (1,2,1)])
def test_rosinality(tmp_path, zipped, taps):
    g,d = plain.RosinalityGenerator(16, 16, 3, CHANNELS, taps),plain.RosinalityDiscriminator(CHANNELS, taps)
    optim = torch.optim.Adam(g.parameters()); sum(p.sum() for p in g.parameters()).backward(); optim.step()
    saved = dict(g=plain.RosinalityGenerator(16, 16, 3, CHANNELS).state_dict(), d=d.state_dict(), g_ema=g.state_dict(),
                 g_optim=optim.state_dict(), args=argparse.Namespace(size=16, latent=16), ada_aug_p=0.,
                 latent_avg=torch.randn(16))
    torch.save(saved, tmp_path/'x.pt', _use_new_zipfile_serialization=zipped)
    m = import_model(tmp_path/'x.pt', tmp_path/'out')
    z,ws,img = torch.randn(3,16),torch.randn(3,6,16),torch.randn(4,3,16,16)
    with torch.no_grad():
        assert (m.generator.mapping(z)[:,0]-g.mapping(z)).abs().max()<1e-4
        assert (m.generator.synthesis(ws, 'const')-g.synthesis(ws)).abs().max()<1e-4
        assert (m.discriminator(img)-d(img)).abs().max()<1e-4
    assert torch.equal(m.generator.w_avg, saved['latent_avg']) and not m.config['imported']['notes']

def test_rosinality_of_old(tmp_path):
    "Without constant noise and average; data-parallel names"
    g = plain.RosinalityGenerator(16, 16, 3, CHANNELS)
    state = collections.OrderedDict((f'module.{k}', v) for k,v in g.state_dict().items() if 'noises' not in k)
    torch.save(dict(g_ema=state), tmp_path/'x.pt', _use_new_zipfile_serialization=False)
    m = import_model(tmp_path/'x.pt', tmp_path/'out')
    with torch.no_grad(): mean = g.mapping(torch.randn(20_000, 16)).mean(0)
    assert (m.generator.w_avg-mean).abs().max()<.1 and len(m.config['imported']['notes'])==2
    state.pop('module.to_rgb1.bias'); torch.save(dict(g_ema=state), tmp_path/'x.pt')
    with pytest.raises(ImportRefused, match='to_rgb1.bias is missing'): import_model(tmp_path/'x.pt', tmp_path/'out')

# ---- hostile files
class Call:
    "Pickled, a call of any function, perhaps with state to set afterwards"
    def __init__(self, f, *args, state=None): self.parts = (f, args) + (() if state is None else (state,))
    def __reduce__(self): return self.parts

def hostile(tmp):
    "Files that would leave `tmp/ran` behind if any of them were run"
    mk,od = (os.mkdir, str(tmp/'ran')),collections.OrderedDict
    storage = io.BytesIO(); torch.save(dict(a=Call(*mk)), storage, _use_new_zipfile_serialization=False)
    legacy = io.BytesIO(); torch.save(torch.randn(3), legacy, _use_new_zipfile_serialization=False)
    zipped = io.BytesIO(); torch.save(dict(a=Call(*mk)), zipped)
    nest = Call(torch.storage._load_from_bytes, storage.getvalue())
    twice = io.BytesIO(); torch.save([nest], twice, _use_new_zipfile_serialization=False)
    d = lambda o: pickle.dumps(o, 4)
    yield 'reduce', d(dict(G_ema=Call(*mk))), 'posix.mkdir'
    yield 'reduce in a key', d({'a':1, 'b':{frozenset([1]):Call(*mk)}}), 'posix.mkdir'
    yield 'system', d([Call(os.system, f'mkdir {tmp}/ran')]), 'posix.system'
    yield 'exec', d(Call(exec, f'import os; os.mkdir({str(tmp/"ran")!r})')), 'builtins.exec'
    yield 'getattr', d(Call(getattr, od, 'fromkeys')), 'builtins.getattr'
    yield 'import', d(Call(__import__, 'antigravity')), 'builtins.__import__'
    yield 'class', d(Call(type, 'X', (), {})), 'builtins.type'
    yield 'copyreg', b'\x80\x02ccopyreg\n_reconstructor\n(cbuiltins\nobject\n' + b'cbuiltins\nobject\nNtR.', 'copyreg._reconstructor'
    yield 'copyreg extension', b'\x80\x02ccopyreg\nadd_extension\n(X\x02\x00\x00\x00osX\x06\x00\x00\x00systemK\x01tR.', 'copyreg.add_extension'
    yield 'extension code', b'\x80\x02\x82\x01)R.............', 'EXT1'
    yield 'extension code 4', b'\x80\x02\x84\x01\x00\x00\x00)R..........', 'EXT4'
    yield 'instance', b'\x80\x02(S"ls"\nios\nsystem\n........', 'INST'
    yield 'object', b'\x80\x02(cos\nsystem\nS"ls"\no......', 'os.system'
    yield 'object of an allowed name', b'\x80\x02(ccollections\nOrderedDict\no.', 'OBJ'
    yield 'new with arguments', b'\x80\x02cargparse\nNamespace\nK\x01\x85\x81.', 'argparse.Namespace'
    yield 'setstate', d(dict(a=Call(od, (), state=(None, dict(__class__=1))))), None
    yield 'state of a name', b'\x80\x02cnumpy\ndtype\n}X\x01\x00\x00\x00aK\x01sb.', 'state of a Name'
    yield 'state of a list', b'\x80\x02]}X\x01\x00\x00\x00aK\x01sb...', 'state of a list'
    yield 'dotted name', b'\x80\x04\x8c\x05torch\x8c\x0eserialization.os.system\x94\x93.', None
    yield 'dotted allowed', b'\x80\x04\x8c\x0bcollections\x8c\x1eOrderedDict.__init__.__globals\x94\x93.', 'OrderedDict.__init__'
    yield 'name from parts', b'\x80\x04(\x8c\x02os\x8c\x06systemt\x8c\x02lst' + b'R.....', None
    yield 'persistent id', b'\x80\x02Pos.system\n...........', 'PERSID'
    yield 'binary persistent id', b'\x80\x02X\x02\x00\x00\x00osQ........', 'outside of itself'
    yield 'memo of another', b'\x80\x02h\x05h\x07\x86R..........', None
    yield 'memo far away', b'\x80\x02]r\xff\xff\xff\xff0j\xff\xff\xff\xff.', None
    yield 'buffer', b'\x80\x05\x97\x98...............', 'NEXT_BUFFER'
    yield 'length of text', b'\x80\x04\x8d' + struct.pack('<Q', 2**62) + b'abcdefgh', 'damaged'
    yield 'length of bytes', b'\x80\x05\x96' + struct.pack('<Q', 2**62) + b'abcdefgh', 'damaged'
    yield 'length of a number', b'\x80\x02\x8b' + struct.pack('<i', 2**31-1) + b'abcdefghijklmnop', 'damaged'
    yield 'frame', b'\x80\x04\x95' + struct.pack('<Q', 2**62) + b'N.......', 'holds a NoneType'
    yield 'nested legacy', d(dict(G_ema=nest)), 'posix.mkdir'
    yield 'nested zip', d(dict(G_ema=Call(torch.storage._load_from_bytes, zipped.getvalue()))), 'a zip within a pickle'
    yield 'nested twice', d(dict(G_ema=Call(torch.storage._load_from_bytes,
                                            twice.getvalue()))), 'an archive within an archive'
    yield 'nested more than numbers', d(Call(torch.storage._load_from_bytes, legacy.getvalue())), 'more than numbers'
    yield 'torch.load', d(Call(torch.load, 'x')), 'torch.serialization.load'
    yield 'hub', d(Call(torch.hub.load, 'a/b', 'c')), 'torch.hub.load'
    yield 'array of objects', d(dict(a=np.array([Call(*mk)], dtype=object))), 'posix.mkdir'
    yield 'array of objects 2', d(dict(a=np.array([1], dtype=object))), 'no plain number'
    yield 'array of nothing', d(dict(a=np.zeros(2))).replace(b'\x00'*16, b'\x00'*15), None
    yield 'legacy', storage.getvalue(), 'posix.mkdir'
    yield 'zip', zipped.getvalue(), 'posix.mkdir'
    yield 'words', b'Not Found. Log in to download this file.', 'neither as a pickle nor as a zip'
    yield 'text pickle', b'cos\nsystem\n(S"ls"\ntR.......', 'neither as a pickle'
    yield 'empty zip', b'PK\5\6' + b'\0'*18, None
    yield 'list', d(list(range(20))), 'holds a list'
    yield 'nothing known', d(dict(state_dict={'a':torch.ones(2)}, epoch=3,
                                  note='x'*20)), 'holds state_dict, epoch, note'

NAMES = [o[0] for o in hostile(Path('/tmp'))]

@pytest.mark.parametrize('which', range(len(NAMES)), ids=NAMES)
def test_hostile(tmp_path, which):
    name,data,says = list(hostile(tmp_path))[which]
    path = tmp_path/('x.pt' if 'zip' in name else 'x.pkl')
    path.write_bytes(data)
    with pytest.raises(ImportRefused) as e: import_model(path, tmp_path/'out')
    assert str(path) in str(e.value) and (says or '') in str(e.value) and '\n' not in str(e.value)
    assert sorted(o.name for o in tmp_path.iterdir())==[path.name]

def test_the_bombs_would_go_off(tmp_path):
    "The test above proves nothing unless a careless reader does run these"
    pickle.loads(next(o[1] for o in hostile(tmp_path) if o[0]=='reduce'))
    assert (tmp_path/'ran').exists()

def test_embedded_source_is_text(tmp_path):
    "The source within a good file is not run either, however it is written"
    theirs = generator()
    for source in (f'import os; os.mkdir({str(tmp_path/"ran")!r})\n'+SOURCE, 'raise SystemExit(3)',
                   '\0 not python ((('):
        m = imported(tmp_path, nvidia_pickle(source=source, G_ema=theirs))
        same_pictures(theirs, m.generator)
    assert not (tmp_path/'ran').exists() and not any(o.startswith(('imported','_imported','torch_utils','dnnlib'))
                                                     for o in sys.modules)

def test_nothing_is_imported(tmp_path):
    "In a process of its own, watched: no event of running, compiling or importing anything that a file names"
    import subprocess
    (tmp_path/'net.pkl').write_bytes(nvidia_pickle(source='import antigravity', G_ema=generator()))
    code = f'''
import sys
from semistyle.models.importing.networks import import_model
import semistyle.models.stylegan2, safetensors.torch, zipfile, torch, torch.nn.utils.stateless, torch._subclasses
import_model({str(tmp_path/'net.pkl')!r}, {str(tmp_path/'first')!r})
seen = []
def watch(event, args):
    if event in ('exec','compile','os.system','subprocess.Popen','pickle.find_class','socket.connect'): seen.append((event, str(args)[:80]))
    if event=='import': seen.append((event, args[0]))
sys.addaudithook(watch)
import_model({str(tmp_path/'net.pkl')!r}, {str(tmp_path/'second')!r})
print(seen)
'''
    r = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True,
                       env=os.environ | commands.ONE_THREAD)
    assert r.returncode==0, r.stderr[-500:]
    assert r.stdout.strip()=='[]', r.stdout

# ---- damage
def test_truncated(tmp_path):
    data = nvidia_pickle(G_ema=generator())
    for n in (15, 16, 100, 1000, len(data)//2, len(data)-1):
        with pytest.raises(ImportRefused) as e: imported(tmp_path, data[:n])
        assert 'nothing in it was run' in str(e.value) or 'no checkpoint' in str(e.value)
    assert not (tmp_path/'out').exists()

def test_flipped_bytes(tmp_path):
    "Any byte changed: either refused in one sentence or read as another network, never anything else"
    rng,ok = np.random.default_rng(0),0
    for data,name in ((nvidia_pickle(G_ema=generator(res=8, layers=1)), 'a.pkl'), (zip_bytes(), 'a.pt')):
        for i in rng.integers(0, len(data), 60):
            bad = bytearray(data); bad[i] ^= 1<<int(rng.integers(8))
            try: imported(tmp_path, bytes(bad), name); ok += 1
            except ImportRefused as e: assert '\n' not in str(e)
    assert ok<120

def zip_bytes(**kw):
    f = io.BytesIO(); torch.save(dict(g_ema=plain.RosinalityGenerator(8, 8, 1, [8,8]).state_dict(), **kw), f)
    return f.getvalue()

def rezipped(data, how):
    "The zip, written again by `how(name, bytes) -> (name, bytes, compression)` or None to leave a file out"
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as z, zipfile.ZipFile(out, 'w') as o:
        for k in z.namelist():
            r = how(k, z.read(k))
            if r: o.writestr(zipfile.ZipInfo(r[0]), r[1], r[2])
    return out.getvalue()

@pytest.mark.parametrize('how,says', [
    (lambda k, b: (k, b, zipfile.ZIP_DEFLATED), 'neither compressed nor encrypted'),
    (lambda k, b: None if k.endswith('data/0') else (k, b, 0), 'a storage is cut short'),
    (lambda k, b: (k, b[:-4] if k.endswith('data/1') else b, 0), 'a storage is cut short'),
    (lambda k, b: None if k.endswith('data.pkl') else (k, b, 0), 'a zip without one data.pkl'),
    (lambda k, b: (k, b'big' if k.endswith('byteorder') else b, 0), 'big-endian'),
    (lambda k, b: (k.replace('data/0', 'code/x.py'), b, 0), 'TorchScript'),
])
def test_odd_zips(tmp_path, how, says):
    with pytest.raises(ImportRefused, match=says): imported(tmp_path, rezipped(zip_bytes(), how), 'a.pt')

def test_claims_cost_nothing(tmp_path):
    "A network that claims to be huge by strides of 0, shared storages or its settings is refused before memory is spent"
    import resource
    w = torch.randn(1)
    g = generator()
    g.synthesis.b8.conv1.weight = torch.nn.Parameter(torch.empty(0))
    g.synthesis.b8.conv1.weight.data = w.expand(4096, 4096, 3, 3)
    with pytest.raises(ImportRefused, match='repeats 1 numbers'): imported(tmp_path, nvidia_pickle(G_ema=g))
    laughs = 'ha'
    for _ in range(60): laughs = [laughs, laughs]
    for o in (dict(G_ema=laughs), dict(g_ema=dict(a=laughs)), laughs):
        with pytest.raises(ImportRefused): imported(tmp_path, pickle.dumps(o, 4))
    hashes = 1
    for _ in range(60): hashes = (hashes, hashes)
    with pytest.raises(ImportRefused, match='should be text or a number'):
        imported(tmp_path, nvidia_pickle(G_ema=attribute('synthesis.b4', architecture=hashes)))
    deep = []
    data = b'\x80\x04' + b']'*200_000 + b'a'*199_999 + b'.'
    with pytest.raises(ImportRefused, match='holds a list'): imported(tmp_path, data)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss<4*2**20   # kB

def test_not_files(tmp_path):
    for path,says in ((tmp_path/'none.pkl', 'is missing'), (tmp_path, 'config.json'),
                      (Path('/dev/zero'), 'should be a file')):
        with pytest.raises(ValueError, match=says): import_model(path, tmp_path/'out')
    (tmp_path/'e.pkl').write_bytes(b'')
    with pytest.raises(ImportRefused, match='has 0'): import_model(tmp_path/'e.pkl', tmp_path/'out')
    (tmp_path/'mine').mkdir(); (tmp_path/'mine'/'thesis.tex').write_text('...')
    (tmp_path/'n.pkl').write_bytes(nvidia_pickle(G_ema=generator()))
    with pytest.raises(ValueError, match='holds other'): import_model(tmp_path/'n.pkl', tmp_path/'mine')
    assert [o.name for o in (tmp_path/'mine').iterdir()]==['thesis.tex']

# ---- what a file holds beside a sound generator
class Options(dict):
    "A dict with attributes, as many programs bring their own"
    def __init__(self, **kw): super().__init__(**kw); self.__dict__.update(kw)

def strangers():
    "What people's training loops save with their networks; name -> part"
    import datetime,decimal,enum,fractions,random
    return dict(discriminator=torch.nn.TransformerEncoderLayer(8, 2), path=Path('runs/00'),
                when=datetime.datetime(2021, 2, 3), day=datetime.date(2021, 2, 3),
        easy=Options(path='x', kinds=[torch.float32]), dtype=torch.float32, size=torch.Size([2,3]),
                python_state=random.getstate(),
        numpy_state=np.random.get_state(), numpy_rng=np.random.default_rng(0), torch_state=torch.get_rng_state(),
                names=np.array(['a', None], object),
        days=np.array(['2020-01-01'], 'datetime64[D]'), day64=np.datetime64('2020-01-01'), word=np.str_('a'),
                text=np.array(['ab']), records=np.zeros(2, [('a','f4')]),
                optimizer=torch.optim.Adam([torch.nn.Parameter(torch.ones(2))]),
        schedule=torch.optim.lr_scheduler.StepLR(torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=.1), 2),
                loss=torch.nn.functional.mse_loss,
        function=len, fraction=fractions.Fraction(1, 3), money=decimal.Decimal('1.5'), deque=collections.deque([1]),
                count=collections.Counter('aab'),
        complex=torch.ones(2, dtype=torch.complex64), cnum=1+2j, range=range(3), slice=slice(1,2), pairs={(0,1):'a'},
                kinds={torch.float16:1}, own=types.SimpleNamespace(a=1),
        sparse=torch.eye(3).to_sparse(), quantized=torch.quantize_per_tensor(torch.ones(3), .1, 0, torch.qint8),
                short=torch.ones(2).to(torch.uint16))

@pytest.mark.parametrize('name', strangers())
@pytest.mark.parametrize('how', ['zip','older','pickle'])
def test_a_stranger_beside_a_generator(tmp_path, name, how):
    "It is kept out of the way and listed; where it stands for the generator, the refusal says what it is"
    g,part = plain.RosinalityGenerator(8, 8, 1, [8,8]),strangers()[name]
    saved = {name:part, 'g_ema':g.state_dict(), 'more':[dict(deep=part)]}
    def write(o):
        if how=='pickle': (tmp_path/'x.pt').write_bytes(pickle.dumps(o, 4))
        else: torch.save(o, tmp_path/'x.pt', _use_new_zipfile_serialization=how=='zip')
    try: write(saved)
    except (pickle.PicklingError, AttributeError, RuntimeError) as e: pytest.skip(f'torch does not save it: {e}')
    m = import_model(tmp_path/'x.pt', tmp_path/'out')
    ws = torch.randn(2, m.generator.num_ws, 8)
    with torch.no_grad(): assert (m.generator.synthesis(ws, 'const')-g.synthesis(ws)).abs().max()<1e-4
    assert {name,'more'} <= m.config['imported']['unread'].keys()
    write(dict(g_ema=part))
    with pytest.raises(ImportRefused, match='it holds'): import_model(tmp_path/'x.pt', tmp_path/'none')

@pytest.mark.parametrize('part', ['input.input','style.1.weight','noises.noise_0','convs.0.activate.bias'])
def test_a_stranger_within_a_generator(tmp_path, part):
    "Needed, it is refused by name; nothing is run"
    state = plain.RosinalityGenerator(8, 8, 1, [8,8]).state_dict()
    torch.save(dict(g_ema={**state, part:Call(len, 'a')}), tmp_path/'x.pt')
    with pytest.raises(ImportRefused, match=f'{part} is .*builtin.*.len, no tensor'):
        import_model(tmp_path/'x.pt', tmp_path/'out')

@pytest.mark.parametrize('act', [(os.mkdir,), (exec, ''), (os.system, 'ls'), (io.open, 'x', 'w')], ids=str)
def test_what_acts_is_refused_beside_a_sound_generator(tmp_path, act):
    "Who opens the file elsewhere would run it"
    act = (*act, str(tmp_path/'ran')) if len(act)==1 else act
    torch.save(dict(g_ema=plain.RosinalityGenerator(8, 8, 1, [8,8]).state_dict(), more=[dict(x=Call(*act))]),
               tmp_path/'x.pt')
    with pytest.raises(ImportRefused, match='made to do harm'): import_model(tmp_path/'x.pt', tmp_path/'out')
    assert not (tmp_path/'ran').exists()

def test_a_foreign_discriminator(tmp_path):
    "Of an unknown class, of unknown layers, or no network: the generator is read, and why there is no discriminator is noted"
    theirs = generator()
    for d,rename,says in ((torch.nn.Bilinear(2, 2, 1), {}, 'torch.nn.modules.linear.Bilinear is not known here'),
                          (Path('d.pt'), {}, 'PosixPath is not known here'),
                          (plain.Discriminator(0, 16, 3, **SMALL), dict(Conv2dLayer='ProjectedBlock'),
                           'layers of class ProjectedBlock')):
        data = nvidia_pickle(G_ema=theirs, D=d, rename=rename) if isinstance(d, plain.Discriminator) else mixed(G_ema=theirs, D=d)
        m = imported(tmp_path, data)
        same_pictures(theirs, m.generator)
        assert 'discriminator' not in m.networks and says in ' '.join(m.config['imported']['notes'])

def mixed(**parts):
    "As `nvidia_pickle`, with parts that are no persistent objects"
    with nvidia_modules() as (EasyDict, reconstruct):
        class Pickler(pickle.Pickler):
            def reducer_override(self, o):
                if not type(o).__module__.startswith('plain_') or isinstance(o, type): return NotImplemented
                return reconstruct,(dict(type='class', version=6, module_src=SOURCE, class_name=type(o).__name__,
                                         state=dict(o.__dict__)),)
        f = io.BytesIO(); Pickler(f, 4).dump(parts)
        return f.getvalue()

# ---- whole generators and bare state dicts
def saved_whole(path, o, zipped=True):
    "`torch.save` of a whole object of NVIDIA's persistent classes, as PTI does"
    with nvidia_modules() as (EasyDict, reconstruct):
        def reduce(self, protocol):
            return reconstruct,(dict(type='class', version=6, module_src=SOURCE, class_name=type(self).__name__,
                                     state=dict(self.__dict__)),)
        classes = [c for c in vars(plain).values() if isinstance(c, type) and issubclass(c, torch.nn.Module)]
        for c in classes: c.__reduce_ex__ = reduce
        try: torch.save(o, path, _use_new_zipfile_serialization=zipped)
        finally:
            for c in classes: del c.__reduce_ex__

@pytest.mark.parametrize('zipped', [True, False])
@pytest.mark.parametrize('wrap', [lambda g: g, lambda g: dict(G_ema=g, step=3), lambda g: torch.nn.DataParallel(g),
                                  lambda g: (g, None),
                                  lambda g: types.SimpleNamespace(netG=g), lambda g: dict(models=dict(g_ema=g))],
                         ids=range(6))
def test_a_whole_generator(tmp_path, zipped, wrap):
    theirs = generator(c_dim=3)
    saved_whole(tmp_path/'model_abc.pt', wrap(theirs), zipped)
    same_pictures(theirs, import_model(tmp_path/'model_abc.pt', tmp_path/'out').generator, torch.eye(3))

def test_a_whole_generator_of_no_persistent_class(tmp_path):
    "As `torch.save` and `pickle` write any module: NVIDIA's layers without persistence, and rosinality's"
    theirs,g = generator(),plain.RosinalityGenerator(8, 8, 1, [8,8])
    torch.save(theirs, tmp_path/'a.pt'); same_pictures(theirs, import_model(tmp_path/'a.pt', tmp_path/'out').generator)
    torch.save(dict(ema=g), tmp_path/'b.pt'); m = import_model(tmp_path/'b.pt', tmp_path/'out')
    ws = torch.randn(2, 4, 8)
    with torch.no_grad(): assert (m.generator.synthesis(ws, 'const')-g.synthesis(ws)).abs().max()<1e-4

@pytest.mark.parametrize('kw', [dict(), dict(res=32, conv_clamp=256.), dict(architecture='resnet'),
                                dict(architecture='orig'), dict(c_dim=3), dict(c_dim=3, w_dim=8),
                                dict(resample_filter=[1,2,1]), dict(img_channels=1, use_noise=False),
                                dict(w_dim=8, layers=5)], ids=str)
@pytest.mark.parametrize('wrap', [lambda s: s, lambda s: dict(G_ema=s),
                                  lambda s: dict(state_dict={f'module.{k}':v for k,v in s.items()}),
                                  lambda s: {'epoch':3, **{f'G_ema.{k}':v for k,v in s.items()},
                                             'encoder.w':torch.ones(2)}], ids=range(4))
def test_a_state_dict_of_nvidia(tmp_path, kw, wrap):
    "Sizes tell the network; what they do not tell is noted"
    theirs = generator(**kw)
    torch.save(wrap(theirs.state_dict()), tmp_path/'x.pt')
    m = import_model(tmp_path/'x.pt', tmp_path/'out')
    same_pictures(theirs, m.generator, torch.eye(3) if 'c_dim' in kw else None)
    assert m.generator.z_dim==16 and m.config['imported']['notes']==[
        'a state dict does not say these, so they are assumed: activation lrelu, lr_multiplier 0.01, conv_clamp 256']
    assert 'conv_clamp 256' in m.card and set(m.config['imported']['unread'])<={'epoch','encoder'}

# ---- safetensors, as the Hub has them
def flat(**states): return {f'{p}.{k}' if p else k:v.clone() for p,s in states.items() for k,v in s.items()}

@pytest.mark.parametrize('kw', [dict(), dict(res=32, conv_clamp=256.), dict(architecture='resnet'),
                                dict(c_dim=3, w_dim=8), dict(resample_filter=[1,2,1]),
                                dict(img_channels=1, use_noise=False)], ids=str)
@pytest.mark.parametrize('wrap', [lambda s: s, lambda s: flat(G_ema=s),
                                  lambda s: flat(**{'module.generator':s, 'encoder':dict(w=torch.ones(2))}),
                                  lambda s: flat(G=generator().state_dict(), G_ema=s)], ids=range(4))
def test_nvidias_safetensors(tmp_path, kw, wrap):
    "Bare or before their name, with the same notes as a state dict in .pt"
    theirs = generator(**kw)
    save_file(wrap({k:v.contiguous() for k,v in theirs.state_dict().items()}), tmp_path/'model.safetensors',
              dict(format='pt'))
    m = import_model(tmp_path/'model.safetensors', tmp_path/'out')
    same_pictures(theirs, m.generator, torch.eye(3) if 'c_dim' in kw else None)
    r = m.config['imported']
    assert r['notes']==['a state dict does not say these, so they are assumed: activation lrelu, lr_multiplier 0.01, '
                        'conv_clamp 256']
    assert 'conv_clamp 256' in m.card and r['format']=='NVIDIA state dict' and set(r['unread'])<={'encoder','G'}

@pytest.mark.parametrize('name', ['', 'g_ema', 'decoder'])
def test_rosinalitys_safetensors(tmp_path, name):
    g,d = plain.RosinalityGenerator(16, 16, 3, CHANNELS),plain.RosinalityDiscriminator(CHANNELS)
    more = flat(d=d.state_dict()) if name=='g_ema' else {}
    save_file(flat(**{name:g.state_dict()}) | more | dict(latent_avg=torch.ones(16)), tmp_path/'x.safetensors')
    m = import_model(tmp_path/'x.safetensors', tmp_path/'out')
    ws,img = torch.randn(3,6,16),torch.randn(4,3,16,16)
    with torch.no_grad():
        assert (m.generator.synthesis(ws, 'const')-g.synthesis(ws)).abs().max()<1e-4
        if more: assert (m.discriminator(img)-d(img)).abs().max()<1e-4
    assert torch.equal(m.generator.w_avg, torch.ones(16)) and not m.config['imported']['notes']

def test_safetensors_of_other_kinds_and_types(tmp_path):
    "Half precision widens; a type that is not known is refused where it is needed and listed where not; other networks are told apart"
    theirs,path = generator(),tmp_path/'x.safetensors'
    def saved(state, says=None):
        save_file({k:v.contiguous() for k,v in state.items()}, path)
        if says is None: return import_model(path, tmp_path/'out')
        with pytest.raises(ImportRefused, match=says) as e: import_model(path, tmp_path/'none')
        assert 'x.safetensors' in str(e.value) and '\n' not in str(e.value) and not (tmp_path/'none').exists()
    state = theirs.state_dict()
    for kind in (torch.bfloat16, torch.float16, torch.float64):
        m = saved({k:v.to(kind) for k,v in state.items()})
        assert torch.equal(m.generator.w_avg, state['mapping.w_avg'].to(kind).float())
    eight = torch.ones(2).to(torch.float8_e4m3fn)
    assert saved(flat(G_ema=state, scales=dict(a=eight))).config['imported']['unread']=={'scales':'safetensors.F8_E4M3'}
    saved(state | {'synthesis.b8.conv1.bias':state['synthesis.b8.conv1.bias'].to(torch.float8_e4m3fn)},
          'bias is safetensors.F8_E4M3, no tensor')
    saved(state | {'synthesis.b8.conv1.bias':state['synthesis.b8.conv1.bias'].long()}, 'holds torch.int64, no weights')
    saved(state | {'synthesis.b8.attn.weight':torch.ones(3)}, 'layers of class attn')
    saved(state | {'mapping.fc0.weight_v':torch.ones(3)}, 'weight_v is no part')
    saved({k:v.contiguous() for k,v in swagan().items()}, 'it is SWAGAN')
    saved({'unet.conv.weight':torch.ones(2)}, 'it holds unet.conv.weight, and no G_ema'); saved({}, 'it holds')
    saved({'synthesis.input.freqs':torch.ones(2), 'mapping.fc0.weight':torch.ones(2)}, 'a StyleGAN3 generator')
    saved(load_file(tmp_path/'out'/'generator.safetensors'), 'give the folder that it lies in')
    data = (tmp_path/'out'/'generator.safetensors').read_bytes()
    for bad in (data[:100], data[:-1], data+b'\0', b'{}'*20, b'\0'*40):
        path.write_bytes(bad)
        with pytest.raises(ImportRefused, match='nothing in it was run'): import_model(path, tmp_path/'none')

@pytest.mark.parametrize('kw', [dict(), dict(c_dim=3, mapping_kwargs=dict(num_layers=2)),
                                dict(resample_filter=[1,2,1])], ids=str)
def test_a_state_dict_of_nvidias_discriminator(tmp_path, kw):
    d = plain.Discriminator(kw.pop('c_dim', 0), 16, 3, **SMALL | kw)
    torch.save(dict(G_ema=generator(c_dim=d.c_dim).state_dict(), D=d.state_dict()), tmp_path/'x.pt')
    m = import_model(tmp_path/'x.pt', tmp_path/'out')
    img,c = torch.randn(8,3,16,16),torch.eye(3)[[0,1,2,0,1,2,0,1]] if d.c_dim else None
    with torch.no_grad(): assert (m.discriminator(img, c)-d(img, c)).abs().max()<1e-4

# ---- tensors that no formula has
def swagan(buffers=True):
    "The names and sizes of rosinality's SWAGAN: pictures as four wavelet bands, of half the size"
    s = plain.RosinalityGenerator(16, 16, 3, CHANNELS).state_dict()
    for k in [k for k in s if k.startswith('to_rgb') and 'modulation' not in k and 'kernel' not in k]:
        s[k] = torch.cat([s[k]]*4, 1)
    if buffers:
        s |= {f'{m}{w}.{b}':torch.ones(2,2) for m in ('','to_rgbs.0.','to_rgbs.1.') for w in ('iwt','dwt')
              for b in ('ll','lh','hl','hh')}
    return s

@pytest.mark.parametrize('make,says', [
    (lambda: plain.RosinalityGenerator(8, 8, 1, [8,8]).state_dict() | {'attention.weight':torch.ones(3)},
     'attention.weight is no part'),
    (lambda: plain.RosinalityGenerator(8, 8, 1, [8,8]).state_dict() | {'convs.5.conv.weight':torch.ones(3)},
     'convs.5.conv.weight is no part'),
    (lambda: plain.RosinalityGenerator(8, 8, 1, [8,8]).state_dict() | {'conv1.conv.lora_up':torch.ones(3)},
     'lora_up is no part'),
    (lambda: generator().state_dict() | {'synthesis.b8.conv0.scale':torch.ones(3)},
     'synthesis.b8.conv0.scale is no part'),
    (lambda: generator().state_dict() | {'mapping.fc0.weight_v':torch.ones(3)}, 'weight_v is no part'),
    (lambda: generator().state_dict() | {'synthesis.b8.conv2.weight':torch.ones(3)},
     'synthesis.b8.conv2.weight is no part'),
    (lambda: generator().state_dict() | {'synthesis.b8.attn.weight':torch.ones(3)}, 'layers of class attn'),
    (swagan, 'it is SWAGAN, which draws wavelets'), (lambda: {f'module.{k}':v for k,v in swagan().items()}, 'SWAGAN')])
def test_unknown_tensors_of_a_generator(tmp_path, make, says):
    "Refused by name: never another network without a word"
    for i,wrap in enumerate((lambda o: dict(g_ema=o), lambda o: o)):
        torch.save(wrap(make()), tmp_path/f'{i}.pt')
        with pytest.raises(ImportRefused, match=says): import_model(tmp_path/f'{i}.pt', tmp_path/'out')

@pytest.mark.parametrize('wrap', [lambda s: {'n_averaged':torch.tensor(3)} | {f'module.{k}':v for k,v in s.items()},
                                  lambda s: {f'module._orig_mod.{k}':v for k,v in s.items()}], ids=range(2))
def test_a_state_that_torch_wraps(tmp_path, wrap):
    "AveragedModel's count of averages and compiled modules' prefix are no part of the network"
    g = plain.RosinalityGenerator(8, 8, 1, [8,8])
    torch.save(dict(g_ema=wrap(g.state_dict())), tmp_path/'x.pt')
    ws = torch.randn(2, 4, 8)
    with torch.no_grad():
        assert (import_model(tmp_path/'x.pt', tmp_path/'out').generator.synthesis(ws, 'const')-g.synthesis(ws)).abs().max()<1e-4

def test_unknown_tensors_elsewhere(tmp_path):
    "In NVIDIA's objects, refused; in a discriminator, left out and noted; in a network of other channels, noted"
    g = generator(); g.synthesis.b8.register_buffer('wavelet', torch.ones(2))
    with pytest.raises(ImportRefused, match='synthesis.b8.wavelet is no part'):
        imported(tmp_path, nvidia_pickle(G_ema=g))
    state,d = plain.RosinalityGenerator(16, 16, 3, CHANNELS).state_dict(),plain.RosinalityDiscriminator(CHANNELS).state_dict()
    torch.save(dict(g_ema=state, d=d | {'dwt.ll':torch.ones(2,2), 'from_rgbs.0.x':torch.ones(1)}), tmp_path/'x.pt')
    m = import_model(tmp_path/'x.pt', tmp_path/'out')
    assert 'discriminator' not in m.networks and 'dwt.ll, from_rgbs.0.x are no part' in ' '.join(m.config['imported']['notes'])
    torch.save(dict(g_ema=swagan(buffers=False)), tmp_path/'y.pt')
    assert 'it draws 12 channels' in ' '.join(import_model(tmp_path/'y.pt', tmp_path/'out').config['imported']['notes'])

def test_a_decoder_of_an_encoders_checkpoint(tmp_path):
    "The generator is a part of a state dict, with an average for every style: it is read, the rest listed"
    g = plain.RosinalityGenerator(16, 16, 3, CHANNELS)
    torch.save(dict(state_dict={f'decoder.{k}':v
                                for k,v in g.state_dict().items()} | {'encoder.a.weight':torch.ones(3),
                                                                      'encoder.b.weight':torch.ones(3)},
                    latent_avg=torch.ones(6,16), opts=dict(path=Path('x'))), tmp_path/'e4e.pt')
    m = import_model(tmp_path/'e4e.pt', tmp_path/'out')
    ws = torch.randn(2,6,16)
    with torch.no_grad(): assert (m.generator.synthesis(ws, 'const')-g.synthesis(ws)).abs().max()<1e-4
    r = m.config['imported']
    assert [*r['unread']]==['state_dict.encoder','latent_avg',
                            'opts'] and r['network']=='state_dict.decoder' and 'pathlib' in r['unread']['opts']

def test_other_state_dicts(tmp_path):
    "StyleGAN3's and other programs' are told apart"
    for o,says in (({'synthesis.input.freqs':torch.ones(2), 'mapping.fc0.weight':torch.ones(2)},
                    'a StyleGAN3 generator'),
                   (dict(params_ema={'style_mlp.1.weight':torch.ones(2)}), 'it holds params_ema, and no G_ema'),
                   (dict(d=plain.RosinalityDiscriminator(CHANNELS).state_dict()), 'holds d, and no')):
        torch.save(o, tmp_path/'x.pt')
        with pytest.raises(ImportRefused, match=says): import_model(tmp_path/'x.pt', tmp_path/'out')

# ---- the command
def test_command(tmp_path):
    theirs = generator()
    (tmp_path/'net.pkl').write_bytes(nvidia_pickle(G_ema=theirs))
    r = commands.run('semistyle_import', tmp_path/'net.pkl', '--out', tmp_path/'net')
    assert r.code==0 and '16x16' in r.out, r.err
    same_pictures(theirs, load_model(tmp_path/'net').generator)
    assert (tmp_path/'net.png').exists() and json.loads((tmp_path/'net.json').read_text())['imported']['format']=='NVIDIA'
    (tmp_path/'bad.pkl').write_bytes(pickle.dumps(dict(G_ema=Call(os.mkdir, str(tmp_path/'ran'))), 4))
    commands.refuses('semistyle_import', tmp_path/'bad.pkl', '--out', tmp_path/'bad',
                     says=['posix.mkdir','nothing in it was run'])
    commands.refuses('semistyle_import', tmp_path/'gone.pkl', says=['is missing'])
    assert not (tmp_path/'ran').exists() and not (tmp_path/'bad').exists()

def test_a_class_conditional_network_is_asked_with_labels_of_classes(tmp_path, monkeypatch):
    "Shown, measured and searched, it is given one-hot labels of every class, and nothing that lies between them"
    from semistyle.cli import discover,evaluate,show
    from semistyle.models.stylegan2 import LabelMapping
    imported(tmp_path, nvidia_pickle(G_ema=generator(c_dim=3), D=plain.Discriminator(3, 16, 3, **SMALL)))
    asked,forward = [],LabelMapping.forward
    def spy(self, z, c=None, *args, **kwargs):
        if z is not None: asked.append(c.detach().clone())         # without `z` it is the discriminator's
        return forward(self, z, c, *args, **kwargs)
    monkeypatch.setattr(LabelMapping, 'forward', spy)
    def classes():
        c = torch.cat(asked); asked.clear()
        assert ((c==0)|(c==1)).all() and (c.sum(1)==1).all()
        return {*c.argmax(1).tolist()}
    net = str(tmp_path/'out')
    for kind in ('grid','mixing'):
        show(net, kind, out=str(tmp_path/f'{kind}.png')); assert classes()=={0,1,2}
    evaluate(net, metrics='path_disc', samples='20', seeds=1, out=str(tmp_path/'m.json')); assert classes()=={0,1,2}
    discover(net, out=str(tmp_path/'d'), method='sefa', directions=2, samples=200, n=4, features='disc')
    assert classes()=={0,1,2}

# ---- after the import
@pytest.mark.parametrize('c_dim', [0,3])
def test_a_generator_alone_and_offline(tmp_path, c_dim, monkeypatch):
    "Shown, measured, searched, projected, edited and turned: what looks is what is there, and is named"
    from PIL import Image
    import semistyle.runs.discover as rooms
    from semistyle.cli import discover,edit,evaluate,show
    from semistyle.widgets import DirectionSliders
    def offline(*args, **kwargs): raise OSError('no route to host')
    monkeypatch.setattr(torch.hub, 'download_url_to_file', offline)
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path/'hub'))
    monkeypatch.setattr(rooms, 'find_spec', lambda o: None)
    m = imported(tmp_path, nvidia_pickle(G_ema=generator(c_dim=c_dim)))
    net = str(tmp_path/'out')
    for kind in ('grid','mixing','interpolation'):
        show(net, kind, out=str(tmp_path/(f'{kind}.gif' if kind=='interpolation' else f'{kind}.png')))
    res = discover(net, out=str(tmp_path/'d'), method='contra-bi', directions=2, samples=200, n=4, kimg=.02, bs=2)
    assert res['features']=='pixels' and 'pixels' in (tmp_path/'d'/'report.html').read_text()
    with pytest.raises(OSError, match='--features pixels'):
        discover(net, out=str(tmp_path/'e'), method='sefa', directions=2, samples=200, n=4, features='alexnet')
    Image.fromarray(np.zeros((20,20,3), np.uint8)).save(tmp_path/'p.png')
    show(net, 'traversals', out=str(tmp_path/'t.png'), directions=str(tmp_path/'d'))
    show(net, 'traversals', out=str(tmp_path/'t.gif'), directions=str(tmp_path/'d'))
    evaluate(net, report=str(tmp_path/'r.html')); page = (tmp_path/'r.html').read_text()
    assert 'is not known, so nothing was measured' in page and 'Random samples' in page and 'of a checkpoint (NVIDIA)' in page and ('Every label' in page)==(c_dim>0)
    if c_dim: assert 'each of 3 labels' in page
    name = res['names'][0]
    edit(str(tmp_path/'p.png'), net, True, str(tmp_path/'ed'), direction=[f'{name}=1'], directions=str(tmp_path/'d'),
         steps=2)
    assert (tmp_path/'ed'/'edited'/'p.png').exists()
    from semistyle.discover.navigator import load_directions
    panel = DirectionSliders(m.generator, load_directions(tmp_path/'d'/'directions', m.generator), n=1)
    panel.set(**{name:1.})
