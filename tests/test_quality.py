"Our statistics against torch-fidelity's own functions and the lpips package, on random input and random weights; imports; memory"
import json,resource,subprocess,sys
from unittest.mock import patch
import numpy as np, pytest, torch
from semistyle.metrics.quality import FeatureStats,Inception,evaluate_quality,frechet_distance,kernel_distance,precision_recall
from semistyle.models.features import DiscriminatorFeatures,VGG16,as_features,lpips_vgg

fidelity = pytest.importorskip('torch_fidelity', reason="torch-fidelity is not installed: pip install "
                                                        "'semistyle[quality]'")
from torch_fidelity import metric_fid,metric_kid,metric_prc

@pytest.fixture
def clouds():
    "Features of 600 and 500 pictures, correlated, away from 0"
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(40,40))
    return [torch.tensor(rng.normal(size=(n,40))@mix*.3+rng.normal(size=40)+2).float() for n in (600,500)]

def test_frechet_agrees(clouds):
    theirs = metric_fid.fid_statistics_to_metric(*map(metric_fid.fid_features_to_statistics, clouds), False)
    stats = []
    for x in clouds:
        stats.append(FeatureStats())
        for part in x.split(64): stats[-1].update(part)
    a,b = stats
    assert frechet_distance(a.mean, a.cov, b.mean,
                            b.cov) == pytest.approx(theirs['frechet_inception_distance'], rel=1e-6)

def test_frechet_of_2048_features():
    "Against scipy's matrix root at Inception's size; few pictures, so nearly singular"
    linalg = pytest.importorskip('scipy.linalg')
    rng = np.random.default_rng(0)
    scale = np.exp(-np.arange(512)/100)
    a,b = ((o.mean(0),np.cov(o, rowvar=False)) for o in (rng.normal(size=(2,800,512))*scale))
    want = ((a[0]-b[0])**2).sum()+np.trace(a[1]+b[1]-2*linalg.sqrtm(a[1]@b[1]).real)
    assert frechet_distance(*a, *b) == pytest.approx(want, rel=1e-6)

def test_kernel_agrees(clouds):
    theirs = metric_kid.kid_features_to_metric(*clouds, kid_subsets=10, kid_subset_size=200, verbose=False)
    ours = kernel_distance(*clouds, subsets=10, subset_size=200)
    assert ours['mean'] == pytest.approx(theirs['kernel_inception_distance_mean'], rel=1e-4)
    assert ours['std'] == pytest.approx(theirs['kernel_inception_distance_std'], rel=1e-3)

@pytest.mark.parametrize('k', [1,3,10])
def test_precision_recall_agrees(clouds, k):
    theirs = metric_prc.prc_features_to_metric(*clouds, prc_neighborhood=k, verbose=False)
    assert precision_recall(*clouds, k=k, bs=70) == {o:pytest.approx(theirs[o], abs=1e-7)
                                                     for o in ('precision','recall')}

@pytest.fixture(scope='module')
def inception_weights(tmp_path_factory):
    "A file in the format of the published weights, with random ones"
    from torch_fidelity import feature_extractor_inceptionv3 as inc
    torch.manual_seed(0)
    with patch.object(inc, 'load_state_dict_from_url',
                      lambda *a,**k: {}), patch.object(inc.FeatureExtractorInceptionV3, 'load_state_dict'):
        net = inc.FeatureExtractorInceptionV3('inception', ['2048'])
    path = tmp_path_factory.mktemp('weights')/'weights-inception-2015-12-05-6726825d.pth'
    torch.save(net.state_dict(), path)
    return path,net

def test_inception_is_theirs_and_a_stand_in_is_named(inception_weights):
    path,net = inception_weights
    ours,x = Inception(path),torch.randint(0, 256, (2,3,32,32)).byte()
    assert torch.equal(ours(x), net(x)[0]) and torch.equal(ours(x[:,:1]), net(x[:,:1].repeat(1,3,1,1))[0])
    # random weights under the published file's name
    assert ours.name.startswith('inception_') and not ours.training
    res = evaluate_quality(lambda n: torch.rand(n,3,32,32)*2-1, torch.rand(4,3,32,32)*2-1, ours, n=4, metrics='kd',
                           subset_size=2, cache_dir=path.parent/'cache')
    assert {f'kd_{ours.name}',f'kd_{ours.name}_std','protocol'} == set(res)

def test_fid_needs_more_than_2048_pictures(inception_weights, tmp_path):
    with pytest.raises(ValueError, match='more pictures than the 2,048 features for a covariance, has 2,000'):
        evaluate_quality(lambda n: torch.rand(n,3,8,8)*2-1, torch.rand(8,3,8,8)*2-1, Inception(inception_weights[0]),
                         n=2000, bs=2, cache_dir=tmp_path)

def test_inception_pickle_runs_nothing(tmp_path):
    class Bomb:
        def __reduce__(self): return (tmp_path/'exploded').touch, ()
    torch.save(dict(a=Bomb()), tmp_path/'inception.pth')
    with pytest.raises(ValueError, match='weights and nothing else'): Inception(tmp_path/'inception.pth')
    assert not (tmp_path/'exploded').exists()

def test_lpips_agrees(tmp_path):
    "With the official linear weights, and random ones of VGG"
    lpips = pytest.importorskip('lpips', reason="lpips is not installed: pip install 'semistyle[quality]'")
    from torchvision.models import vgg
    torch.manual_seed(0)
    layers = vgg.make_layers(vgg.cfgs['D'])
    with patch.object(lpips.pretrained_networks.tv, 'vgg16', lambda **k: type('V', (), dict(features=layers))):
        theirs = lpips.LPIPS(net='vgg', pretrained=True, pnet_rand=True, verbose=False)
    torch.save({f'features.{k}':v for k,v in layers.state_dict().items()}, tmp_path/'vgg16.pth')
    ours = lpips_vgg(tmp_path/'vgg16.pth')
    assert ours.name.startswith('lpips_vgg_')
    x,y = torch.rand(2,3,3,64,48)*2-1
    for other in (y, x+1e-3*y):
        torch.testing.assert_close(ours(x, other), theirs(x, other).flatten(), rtol=1e-3, atol=1e-9)

def test_features_of_stylegan2_discriminator():
    stylegan2 = pytest.importorskip('semistyle.models.stylegan2')
    d = stylegan2.StyleGAN2Discriminator(32, channel_base=256, channel_max=16)
    maps = DiscriminatorFeatures(d)(torch.randn(2,3,32,32))
    assert [o.shape[-1] for o in maps] == [32,16,8,4]

def test_modules_import_light():
    "No fastai, torchvision, lpips or torch-fidelity until something needs them"
    heavy = ['fastai','torchvision','lpips','torch_fidelity','scipy']
    code = f"import sys,semistyle.models.features,semistyle.metrics.path,semistyle.metrics.quality; print([o for o in {heavy} if o in sys.modules])"
    assert subprocess.check_output([sys.executable,'-c',code], text=True).strip()=='[]'

MEMORY = """
import resource,sys,torch
from semistyle.metrics.quality import evaluate_quality
from semistyle.models.features import as_features
f = as_features(lambda x: torch.nn.functional.adaptive_avg_pool2d(x, 4).flatten(1), 'coarse')
class Data:
    def __len__(self): return 10**6
    def images(self, idx): return torch.arange(len(idx)*64*64*3).mul(int(idx[0])%97+1).remainder(251).byte().view(-1,64,64,3).numpy()
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss/1024
sizes = []
for n in (500, 2500):
    evaluate_quality(lambda n: torch.randn(n,3,64,64), Data(), f, n=n, keep=400, subset_size=100, bs=100, cache_dir=sys.argv[1])
    sizes.append(peak())
print(sizes)
"""
def test_memory_is_flat_in_the_number_of_pictures(tmp_path):
    few,many = json.loads(subprocess.check_output([sys.executable,'-c',MEMORY,str(tmp_path)], text=True))
    # 2,000 more pictures are 98 MB as floats
    assert many-few < 30, f'{few:.0f} MB for 500 pictures, {many:.0f} MB for 2,500'

def test_cache_that_cannot_be_written_warns(tmp_path):
    (tmp_path/'file').touch()
    f = as_features(lambda x: x.mean((2,3)), 'colour')
    with pytest.warns(UserWarning, match='the statistics are not kept'):
        res = evaluate_quality(lambda n: torch.rand(n,3,8,8)*2-1, torch.rand(50,3,8,8)*2-1, f, n=50,
                               metrics=['fd','pr'], cache_dir=tmp_path/'file')
    assert res['fd_colour'] >= 0
