"""Put a trained model into the package: half precision, measured as it will be loaded, with a card.

    python tools/ship_model.py runs/robot-64/model robot-64
    python tools/ship_model.py ORACLE_FOLDER robot-oracle-64

The numbers on the card are those of the stored weights, over three seeds of 10,000 pictures; they also go to results/shipped/NAME.json."""
import tempfile
from pathlib import Path
import numpy as np,torch
from fastcore.script import call_parse
from semistyle.core import machine_info,mean_std,read_json,record_result
from semistyle.data.open import load_world
from semistyle.models.oracle import find_oracle
from semistyle.runs.evaluate import measure_model
from semistyle.runs.subject import Subject,world_of
from semistyle.metrics.control import spectrum_ratio
from semistyle.metrics.quality import evaluate_quality
from semistyle.models.sampling import Sampler
from semistyle.models.checkpoint import load_model,save_model
from semistyle.models.features import OracleFeatures,pooled
from semistyle.models.variants import grown
from semistyle.training.presets import departures

ROOT = Path(__file__).resolve().parents[1]
ABOUT = {
    'mig': 'MIG of the encoder on real pictures: 0 to 1, higher is better',
    'l2': 'L2 of the encoder on real pictures: lower is better',
    'mig_gen': 'MIG-gen of the generator: 0 to 1, higher is better',
    'l2_gen': 'L2-gen of the generator: lower is better',
    'render_ratio': 'squared pixel error against the renderer; 0 exact, 1 no control',
    'cosine_least': 'the least of these cosines',
    'spectrum_ratio': "power at the highest spatial frequencies, as a multiple of true pictures': 1 is best",
    'fd_oracle': "Frechet distance to the world's pictures in features of its oracle: 0 is best",
    'precision_oracle': 'share of its pictures that lie among real ones, to these features: 1 is best',
    'turn_ratio': "edited pictures' squared distance from the true ones, as a share of what it was before the edit, "
                  "mean over factors: 0 is best",
    'kept': 'distance of pictures from themselves where nothing is to change, as a share of that '
            'between two: 0 is best',
    'recall_oracle': 'share of real pictures that lie among its own, to these features: 1 is best'}
NUMBERS = {4:'four', 6:'six', 7:'seven', 9:'nine'}
STAND_IN = dict(robot='Isaac3D', shapes='3DShapes', room='Falcor3D')

def about(measure):
    "What a number of the card means"
    if measure in ABOUT: return ABOUT[measure]
    if measure.startswith('novel_'):
        return f"{measure.removeprefix('novel_')}, of pictures of things that training never had"
    if measure.startswith('turn_'): return f"`turn_ratio` of {measure.removeprefix('turn_')} alone"
    return f"cosine of the picture's change with the world's, {measure.removeprefix('cosine_')} turned from end to end: 1 is best"

def few(metrics, n):
    "Of which measures there were fewer pictures"
    plain = 'fd_oracle' in metrics
    some = {'render_ratio':'a fifth for `render_ratio`', 'spectrum_ratio':'1,000 for `spectrum_ratio`' if plain else '200 for cosines and `spectrum_ratio`',
            'turn_ratio':'200 for each factor that is turned, and for `kept`'}
    return ', '.join(v for k,v in some.items() if k in metrics)

def minutes(config):
    "How long a run took, and how long it was to take where it was stopped"
    taken,asked = config['seconds']/60,config.get('minutes')
    return f'{taken:.1f}' + (f' of the {asked:g} asked for: it was stopped' if asked and taken<.99*asked else '')

def card(name, config, networks, metrics, n, seeds):
    "A model card in Markdown"
    sizes = [f"- `{k}`: {type(v).__name__}, {sum(p.numel() for p in v.parameters()):,} parameters, stored in float16"
             for k,v in networks.items()]
    taught = len(config['space']['names']) if 'space' in config else load_world(config['world'], config['resolution']).space.n_factors
    oracle,k = [*networks]==['oracle'],NUMBERS[taught]
    fine = not oracle and hasattr(networks['generator'], 'on')
    plain,real = not oracle and not networks['generator'].c_dim,STAND_IN[config['world']]
    facts = {k:config.get(k) for k in ('command','seed','eta',
                                       'kimg')} | dict(minutes=minutes(config) if 'seconds' in config else None)
    made = [f"- {k}: {f'`{v}`' if k=='command' else f'{v:g}' if isinstance(v, float) else v}"
            for k,v in facts.items() if v is not None]
    rows = [f"| {k} | {v['mean']:.4f} | {v['std']:.4f} | {v['n']} | {about(k)} |" for k,v in metrics.items()]
    what = (f'Reads the {k} factors of a picture. Trained on all labels of the world; it is the '
            'measuring instrument behind MIG-gen and L2-gen, and the numbers below, of real '
            'pictures, are the ceiling that a generator can reach.' if oracle else
            'An unconditional StyleGAN2, which saw no label, and its discriminator: what it knows is to be discovered.' if plain else
            f'A generator that turns the {k} taught factors of given pictures, also of things that training never had, '
            'and its discriminator with the encoder.' if fine else
            f'A generator whose {k} factors can be turned by name, and its discriminator with the encoder.')
    return '\n'.join([f'# {name}\n', what,
                      f"\n## World\n\n`load_world({config['world']!r}, resolution={config['resolution']})`: rendered pictures with the factor grid of {real}. "
        f'They are not {real}, and numbers on them carry this name.\n', '## Networks\n', *sizes,
                      '\n## How it was made\n', *made,
        f"- machine: {machine_info()['cores']} cores, no GPU",
                      f"\n## Measured\n\n{n:,} pictures for each measure ({few(metrics, n)}), seeds {list(seeds)}.\n".replace(' ()', ''),
        '| measure | mean | s.d. | N | |', '|---|---|---|---|---|', *rows, *unlike(config), ''])

PUT_BACK = {'g_args.use_noise':'noise', 'style_mixing':'style_mixing', 'g_args.mapping_layers':'mapping_8',
            'g_args.mapping_lr_mul':'mapping_8',
            'g_args.c_embed':'embedded_code', 'grid_codes':'free_codes', 'lr_g':'published_rates',
            'lr_d':'published_rates', 'betas':'published_rates',
            # Setting -> the row of the table of departures that has the paper's
            'r1_gamma':'r1_10', 'fade_reals':'fading_reals', 'grow_kimg':'no_growing', 'grow_share':'no_growing',
            'g_args.z_dim':'latents_512', 'g_args.w_dim':'latents_512', 'bs':'batch_32', 'labelled_bs':'batch_32',
            'decay_start':'constant_rates', 'final_lr':'constant_rates'}

def effects():
    "Setting -> what MIG-gen became where it was as the paper has it; and the preset's own rows. See experiments/tables/semi_stylegan_departures.py"
    rows = {}
    for o in (ROOT/'results'/'semi_stylegan_departures'/'robot-32').glob('*.json'):
        for r in read_json(o)['rows']: rows.setdefault(r['method'], []).append(r)
    def mean(m): return sum(r['mig_gen'] for r in rows[m])/len(rows[m])
    return {k:f"{mean(o)-mean('preset'):+.3f}" for k,o in PUT_BACK.items() if o in rows},rows.get('preset')

def unlike(config):
    "What is not as in the paper, where a paper's name stands on the card, and what a setting does where that was measured"
    if (kind := config.get('settings', {}).get('kind')) not in ('semi','fine'): return []
    effect,preset = effects() if kind=='semi' else ({},None)
    what = ['The last column is measured on `robot-32`: how much MIG-gen changes where that setting is as in the paper and all others stay (no growing at all, for growing; '
            f"the mapping network's two together, z with w, both batches, the two of the fall, and the rates with Adam's betas; a code embedded to 32 numbers), from what the preset has after {preset[0]['kimg']:.0f} thousand pictures, "
            f"{', '.join(format(r['mig_gen'], '.3f') for r in preset)} in {len(preset)} run{'s'*(len(preset)>1)}. Blank: not measured.\n"] if preset else []
    more = ' change of MIG-gen |' if preset else ''
    return ['\n## Not as in Nie et al. (2020)\n', *what, f'| setting | paper | here |{more}', '|---|---|---|'+'---|'*bool(more),
            *(f"| {k} | {a} | {b} |"+f" {effect.get(k, '')} |"*bool(more)
              for k,(a,b) in departures(config['settings']).items())]

@torch.no_grad()
def spectrum(g, world, seed, n=1000):
    "Power at the highest frequencies, as a multiple of true pictures'"
    idx = np.random.default_rng(seed).permutation(len(world))[:n]
    return spectrum_ratio(Sampler(g).images(n, seed=seed), world.tensor(idx))

def quality(g, world, n, seeds):
    "Frechet distance, precision, recall and the power at the highest frequencies of a generator without codes"
    f = pooled(OracleFeatures(find_oracle(world)))
    res = [evaluate_quality(Sampler(g).images, world, f, n=n, metrics=['fd','pr'], seed=s)
           | dict(spectrum_ratio=spectrum(g, world, s)) for s in seeds]
    return {k:mean_std([o[k] for o in res]) for k in ABOUT if k in res[0]}

def measured(saved, world, n, seeds):
    "What can be said of a model"
    oracle = None if 'oracle' in saved.networks else find_oracle(world)
    if oracle and not saved.generator.c_dim: return quality(saved.generator, world, n, seeds)
    if oracle and hasattr(saved.generator, 'on'):
        novel = measure_model(Subject(saved, world_of(saved, f'{world.name}-novel')), 'turned', seeds=seeds)['metrics']
        return measure_model(Subject(saved, world, oracle), 'encoder,generator,turned', n=n,
                             seeds=seeds)['metrics'] | {f'novel_{k}':v for k,v in novel.items()}
    what = '' if oracle is None else 'encoder,generator,render_ratio,control'
    return measure_model(Subject(saved, world, oracle), what, n=n, seeds=seeds)['metrics']

@call_parse
def main(model:str,     # Folder of a saved model
         name:str,      # Name in the package
         n:int=10_000,  # Pictures for each measure
         command:str='', # What made it, where the model does not say
        ):
    saved,seeds,out = load_model(model),range(3),ROOT/'semistyle'/'pretrained'/name
    config,networks = saved.config | (dict(command=command) if command else {}),{k:grown(v) for k,v in saved.networks.items()}
    world = world_of(saved, config['world'])
    with tempfile.TemporaryDirectory() as tmp:
        save_model(f'{tmp}/half', config, dtype=torch.float16, **networks)
        half = load_model(f'{tmp}/half')
        metrics = measured(half, world, n, seeds)
    save_model(out, config, card(name, config, half.networks, metrics, n, seeds), torch.float16, **networks)
    record_result(ROOT/'results'/'shipped'/f'{name}.json', f'python tools/ship_model.py MODEL {name}', metrics=metrics,
                  model=name, samples=n, made_by=config.get('command'), kimg=config.get('kimg'),
                  train_seconds=config.get('seconds'), eta=config.get('eta'))
    print(load_model(name).card)
