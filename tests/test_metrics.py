"Factor metrics beside scikit-learn and naive float64 formulas, their bad input, their memory, and how fast they are."
import itertools,json,warnings
import numpy as np,pytest,torch
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import mutual_info_score
from sklearn.svm import LinearSVC
from commands import refuses,run
from semistyle.data.factors import FactorSpace
from semistyle.metrics import factors as M,votes as V
from semistyle.metrics.disentangle import mig

class Plain:
    "A world whose pictures [1,1,k] are their codes; it notes how many are asked for at a time"
    def __init__(self, *sizes): self.space,self.batches = FactorSpace([f'f{i}' for i in range(len(sizes))], sizes),[]
    def __len__(self): return len(self.space)
    def tensor(self, idx):
        self.batches.append(len(idx))
        return torch.from_numpy(self.space.to_codes(self.space.to_factors(idx)))[:,None,None]

def flat(x): return x.flatten(1)
def mixed(x): return torch.tanh(2*flat(x)@torch.tensor([[1,.5,0,.3],[-.4,1,.2,0],[0,-.3,1,.8]]))

@pytest.fixture(params=range(3))
def random_tables(request):
    "Codes [600,4] that know something of factors [600,3]"
    rng = np.random.default_rng(request.param)
    factors = rng.integers([2,3,4], size=(600,3))
    return factors@rng.normal(size=(3,4)) + rng.normal(size=(600,4)), factors

def digitised(codes, n_bins=20): return np.stack([np.digitize(o, np.histogram(o, n_bins)[1][:-1]) for o in codes.T], 1)
def info(codes, factors): return np.array([[mutual_info_score(f, c) for f in factors.T] for c in digitised(codes).T])

def test_mig_and_modularity_are_those_of_scikit_learns_information(random_tables):
    codes,factors = random_tables
    i = info(codes, factors)
    top = np.sort(i, 0)
    want = np.mean((top[-1]-top[-2])/[mutual_info_score(f, f) for f in factors.T])
    assert abs(mig(codes, factors)-want) < 1e-9
    i2 = i**2
    want = np.mean(1-(i2.sum(1)-i2.max(1))/(2*i2.max(1)))
    assert abs(M.modularity(codes, factors)['modularity']-want) < 1e-9

@pytest.mark.parametrize('shift,scale', [(0,1), (1e9,1), (-1e6,1e-3), (0,1e-30), (0,1e30)])
def test_mig_is_the_naive_formula_wherever_the_codes_lie(shift, scale):
    "Ten thousand codes of ten dimensions, bins and counts written out in float64"
    rng = np.random.default_rng(0)
    factors = rng.integers(5, size=(10_000,3))
    codes = shift+scale*np.hstack([factors+rng.normal(size=factors.shape), rng.normal(size=(10_000,7))])
    def nats(table):
        p = table[table>0]/table.sum()
        return -(p*np.log(p)).sum()
    gaps = []
    for f in factors.T:
        known = []
        for c in codes.T:
            edges = np.linspace(c.min(), c.max(), 21)
            joint = np.zeros((21,5)); np.add.at(joint, (np.searchsorted(edges[:-1], c, side='right'),f), 1)
            known.append(nats(joint.sum(0))+nats(joint.sum(1))-nats(joint))
        second,first = sorted(known)[-2:]
        gaps.append((first-second)/nats(np.bincount(f)))
    assert abs(mig(codes, factors)-np.mean(gaps)) < 1e-9

def test_sap_is_that_of_the_formula(random_tables):
    codes,factors = random_tables
    r2 = np.zeros((4,3))
    for d,k in np.ndindex(r2.shape):
        c = np.cov(codes[:,d], factors[:,k], ddof=1)
        r2[d,k] = c[0,1]**2/(c[0,0]*c[1,1])
    top = np.sort(r2, 0)
    assert abs(M.sap(codes, factors, continuous=True)['sap']-np.mean(top[-1]-top[-2])) < 1e-9
    x,y,xt,yt = codes[:400],factors[:400],codes[400:],factors[400:]
    acc = np.zeros((4,3))
    for d,k in np.ndindex(acc.shape):
        model = LinearSVC(C=.01, class_weight='balanced').fit(x[:,[d]], y[:,k])
        acc[d,k] = np.mean(model.predict(xt[:,[d]])==yt[:,k])
    top = np.sort(acc, 0)
    assert abs(M.sap(x, y, test=(xt,yt))['sap']-np.mean(top[-1]-top[-2])) < 1e-9

def test_dci_is_gradient_boosting_with_default_settings():
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=(90,2))
    x = np.hstack([y+rng.normal(size=y.shape), rng.normal(size=(90,1))])
    res = M.dci(x[:60], y[:60], test=(x[60:],y[60:]), seed=7)
    models = [GradientBoostingClassifier(random_state=7).fit(x[:60], o) for o in y[:60].T]
    r = np.stack([o.feature_importances_ for o in models], 1)
    def spread(r):
        p = (r+1e-11)/(r+1e-11).sum(1, keepdims=True)
        return np.sum((1+(p*np.log(p)).sum(1)/np.log(r.shape[1]))*r.sum(1)/r.sum())
    assert abs(res['dci_disentanglement']-spread(r)) < 1e-9 and abs(res['dci_completeness']-spread(r.T)) < 1e-9
    right = [np.mean(m.predict(x[60:])==o) for m,o in zip(models, y[60:].T)]
    assert abs(res['dci_informativeness']-np.mean(right)) < 1e-9
    assert not any(o.startswith('dci_hist') for o in res) and 'GradientBoostingClassifier' in res['protocol']
    fast = M.dci_hist(x, y)
    assert all(o.startswith('dci_hist_') for o,v in fast.items() if isinstance(v, float))
    assert fast['protocol'].startswith('DCI by Hist')

@pytest.mark.parametrize('seed', [0,5])
def test_factor_vae_score_is_that_of_the_published_loop(seed):
    world,rand = Plain(3,4,5),np.random.RandomState(seed)
    def sample(n): return np.stack([rand.randint(m, size=n) for m in world.space.sizes], axis=1)
    def read(f): return mixed(world.tensor(world.space.to_index(f))).double().numpy()
    var = np.var(read(sample(400)), axis=0, ddof=1)
    def votes(n):
        table = np.zeros((3,4), int)
        for _ in range(n):
            k,f = rand.randint(3),sample(16)
            f[:,k] = f[0,k]
            table[k,np.argmin(np.var(read(f), axis=0, ddof=1)/var)] += 1
        return table
    train,test = votes(150),votes(80)
    want = sum(test[train[:,d].argmax(),d] for d in range(4))/80
    got = V.evaluate_factor_vae(mixed, world, None, 150, 80, 16, seed=seed, n_var=400)
    assert abs(got['factor_vae']-want) < 1e-9 and .4 < want < 1

def test_factor_vae_leaves_out_constant_dimensions():
    world = Plain(3,4,5)
    def dead(x): return torch.cat([flat(x)[:,:1], torch.full((len(x),1), .3), flat(x)[:,1:]], 1)
    for n in (None,4000):
        res = V.evaluate_factor_vae(dead, world, n, 200, 100, 16, threshold=0, n_var=500)
        assert res['factor_vae']==1 and res['pruned']==[1]
    res = V.evaluate_factor_vae(lambda x: 0*flat(x), world, None, 20, 10, 16, n_var=50)
    assert res['factor_vae']==0 and res['pruned']==[0,1,2]

def test_codes_below_the_threshold_are_not_silently_worth_nothing():
    f = np.random.default_rng(0).integers(2, size=(600,2))
    with pytest.warns(UserWarning, match='scale the codes'): assert V.factor_vae_score(f/1000, f)['factor_vae']==0
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert V.factor_vae_score(f/1000, f, threshold=0)['factor_vae']==1

def test_a_picture_is_read_once_and_memory_is_bounded_by_the_batch():
    world = Plain(9,8,7)
    V.evaluate_factor_vae(flat, world, None, 300, 100, n_var=200, read_bs=50)
    assert sum(world.batches)==len(world) and max(world.batches)<=50
    world.batches.clear()
    V.read_factors(flat, world, 20_000, bs=64)
    assert sum(world.batches)==len(world) and max(world.batches)<=64

def test_two_thirds_learn_and_one_third_judges():
    x = np.arange(90)[:,None]+np.zeros((90,2))
    a,y,b,yt = V.split_parts(x, x%3, 'it')
    assert len(a)==60 and sorted([*a[:,0],*b[:,0]])==list(range(90))

scores = dict(factor_vae=V.factor_vae_score, beta_vae=V.beta_vae_score, mig=mig, sap=M.sap, modularity=M.modularity,
              explicitness=M.explicitness, dci=M.dci, dci_hist=M.dci_hist)
f = np.random.default_rng(0).integers(3, size=(900,2)).astype(float)
bad = dict(nan=(np.where(np.arange(900)[:,None]==7, np.nan, f), f, 'codes should be finite'),
           inf=(np.where(np.arange(900)[:,None]==7, np.inf, f), f, 'codes should be finite'),
           nan_factor=(f, np.where(np.arange(900)[:,None]==7, np.nan, f), 'factors should be finite'),
           shorter=(f, f[1:], 'as many rows'), flat=(f[:,0], f, 'codes should be a filled table'),
           empty=(f[:0], f[:0], 'codes should be a filled table'), one=(f[:1], f[:1], ''),
           continuous=(f, f+np.random.default_rng(1).normal(size=f.shape), 'should be discrete'),
           complex=(f+1j, f, 'codes should be real numbers, got complex128'),
           words=(f, np.where(f>0, 'big', 'small'), 'factors should be real numbers'),
           constant_factor=(f, f*[1,0], 'undefined for constant factors: columns [1]'))

@pytest.mark.parametrize('name,case', [*itertools.product(scores, bad)])
def test_bad_tables_are_refused_in_one_sentence(name, case):
    codes,factors,says = bad[case]
    with pytest.raises(ValueError) as e: scores[name](codes, factors)
    assert says in str(e.value) and '\n' not in str(e.value)

@pytest.mark.parametrize('name', scores)
def test_constant_codes_are_defined(name):
    res = scores[name](np.hstack([0*f,0*f+5]), f)
    if name=='mig': assert res==0
    elif name.startswith('dci'):
        assert abs(res[f'{name}_disentanglement'])<1e-6 and abs(res[f'{name}_completeness'])<1e-6
    else:
        chance = dict(explicitness=.5, beta_vae=.5, sap=0, modularity=0, factor_vae=0)[name]
        assert abs(res[name]-chance)<.02

def test_tensors_and_other_number_types_are_taken():
    want = M.sap(f, f)
    turned = np.asfortranarray(f)
    others = [torch.tensor(f), torch.tensor(f, requires_grad=True), torch.tensor(f).bfloat16(), torch.tensor(f).half(),
              f.astype(np.int8), f.astype(np.float16), f.tolist(), turned, f[::-1][::-1]]
    for o in others: assert M.sap(o, o)==want

def test_rare_values_name_the_way_out():
    with pytest.raises(ValueError, match='give more samples or a smaller bs'): V.factor_vae_score(f[:150], f[:150])
    assert V.factor_vae_score(f[:150], f[:150], bs=8)['factor_vae']>.99

def test_results_name_their_protocol_size_and_seeds():
    res = M.evaluate_factors(flat, Plain(3,4), n=1200, seeds=(3,4), metrics=[o for o in M.factor_metrics if o!='dci'])
    for name,o in res.items():
        assert isinstance(o['protocol'], str) and o['seeds']==[3,4] and o['n']>0
        assert all(v['n']==2 for v in o.values() if isinstance(v, dict))
        assert any(k.startswith(name) for k,v in o.items() if isinstance(v, dict))
    json.dumps(res)

def test_a_diverged_encoder_stops_at_its_first_batch():
    world = Plain(9,8,7)
    with pytest.raises(ValueError, match='encode should return finite codes'):
        M.evaluate_factors(lambda x: flat(x)*np.nan, world)
    assert sum(world.batches)<=250

def test_bench_metrics_refuses_what_it_does_not_take():
    refuses('semistyle_bench', 'metrics', '--seconds', '5', says=['seconds'])
    refuses('semistyle_bench', 'metrics', '--resolution', '20', '--world', 'sprites', says=['resolution'])

@pytest.mark.slow
def test_metrics_are_as_fast_as_promised():
    res = json.loads(run('semistyle_bench', 'metrics', '--json').out)
    assert res['factor_vae']['ratio']>=10 and res['mig']['seconds']<.3 and res['frechet']['ratio']>=3
    assert res['mig']['difference']<1e-9 and res['frechet']['difference']<1e-6
