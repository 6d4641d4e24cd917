"""Put a trained model into the package: half precision, measured as it will be loaded, with a card.

    python tools/ship_model.py runs/robot-64/model robot-64
    python tools/ship_model.py ORACLE_FOLDER robot-oracle-64

The numbers on the card are those of the stored weights, over three seeds of 10,000 pictures; they also go to results/shipped/NAME.json."""
import tempfile
from pathlib import Path
import torch
from fastcore.script import call_parse
from semistyle.core import machine_info,mean_std,record_result
from semistyle.data.open import load_world
from semistyle.models.oracle import find_oracle
from semistyle.runs.evaluate import measure_model
from semistyle.runs.subject import Subject,world_of
from semistyle.metrics.quality import evaluate_quality
from semistyle.models.sampling import Sampler
from semistyle.models.checkpoint import load_model,save_model
from semistyle.models.features import OracleFeatures,pooled

ROOT = Path(__file__).resolve().parents[1]
ABOUT = {
    'mig': 'MIG of the encoder on real pictures: 0 to 1, higher is better', 'l2': 'L2 of the encoder on real pictures: lower is better',
    'mig_gen': 'MIG-gen of the generator: 0 to 1, higher is better', 'l2_gen': 'L2-gen of the generator: lower is better',
    'render_ratio': 'squared pixel error against the renderer; 0 exact, 1 no control',
    'fd_oracle': "Frechet distance to the world's pictures in features of its oracle: 0 is best",
    'precision_oracle': 'share of its pictures that lie among real ones, to these features: 1 is best',
    'recall_oracle': 'share of real pictures that lie among its own, to these features: 1 is best'}
NUMBERS = {6:'six', 7:'seven', 9:'nine'}
STAND_IN = dict(robot='Isaac3D', shapes='3DShapes', room='Falcor3D')

def card(name, config, networks, metrics, n, seeds):
    "A model card in Markdown"
    sizes = [f"- `{k}`: {type(v).__name__}, {sum(p.numel() for p in v.parameters()):,} parameters, stored in float16" for k,v in networks.items()]
    oracle,k = [*networks]==['oracle'],NUMBERS[load_world(config['world'], config['resolution']).space.n_factors]
    plain,real = not oracle and not networks['generator'].c_dim,STAND_IN[config['world']]
    facts = {k:config.get(k) for k in ('command','seed','eta','kimg')} | dict(minutes=round(config['seconds']/60, 1) if 'seconds' in config else None)
    made = [f"- {k}: {f'`{v}`' if k=='command' else f'{v:g}' if isinstance(v, float) else v}" for k,v in facts.items() if v is not None]
    rows = [f"| {k} | {v['mean']:.4f} | {v['std']:.4f} | {v['n']} | {ABOUT[k]} |" for k,v in metrics.items()]
    what = (f'Reads the {k} factors of a picture. Trained on all labels of the world; it is the measuring instrument behind MIG-gen and L2-gen, and the numbers '
            'below, of real pictures, are the ceiling that a generator can reach.' if oracle else
            'An unconditional StyleGAN2, which saw no label, and its discriminator: what it knows is to be discovered.' if plain else
            f'A generator whose {k} factors can be turned by name, and its discriminator with the encoder.')
    return '\n'.join([f'# {name}\n', what, f"\n## World\n\n`load_world({config['world']!r}, resolution={config['resolution']})`: rendered pictures with the factor grid of {real}. "
        f'They are not {real}, and numbers on them carry this name.\n', '## Networks\n', *sizes, '\n## How it was made\n', *made,
        f"- machine: {machine_info()['cores']} cores, no GPU", f'\n## Measured\n\n{n:,} pictures for each measure (a fifth for `render_ratio`), seeds {list(seeds)}.\n',
        '| measure | mean | s.d. | N | |', '|---|---|---|---|---|', *rows, ''])

def quality(g, world, n, seeds):
    "Frechet distance, precision and recall of a generator without codes"
    f = pooled(OracleFeatures(find_oracle(world)))
    res = [evaluate_quality(Sampler(g).images, world, f, n=n, metrics=['fd','pr'], seed=s) for s in seeds]
    return {k:mean_std([o[k] for o in res]) for k in ABOUT if k in res[0]}

def measured(saved, world, n, seeds):
    "What can be said of a model"
    oracle = None if 'oracle' in saved.networks else find_oracle(world)
    if oracle and not saved.generator.c_dim: return quality(saved.generator, world, n, seeds)
    return measure_model(Subject(saved, world, oracle), n=n, seeds=seeds)['metrics']

@call_parse
def main(model:str,     # Folder of a saved model
         name:str,      # Name in the package
         n:int=10_000,  # Pictures for each measure
         command:str='', # What made it, where the model does not say
        ):
    saved,seeds,out = load_model(model),range(3),ROOT/'semistyle'/'pretrained'/name
    config = saved.config | (dict(command=command) if command else {})
    world = world_of(saved, config['world'])
    with tempfile.TemporaryDirectory() as tmp:
        save_model(f'{tmp}/half', config, dtype=torch.float16, **saved.networks)
        half = load_model(f'{tmp}/half')
        metrics = measured(half, world, n, seeds)
    save_model(out, config, card(name, config, half.networks, metrics, n, seeds), torch.float16, **saved.networks)
    record_result(ROOT/'results'/'shipped'/f'{name}.json', f'python tools/ship_model.py MODEL {name}', metrics=metrics, model=name, samples=n, made_by=config.get('command'), kimg=config.get('kimg'),
                  train_seconds=config.get('seconds'), eta=config.get('eta'))
    print(load_model(name).card)
