"""What most work needs, by one import, as `fastai.vision.all` does: `from semistyle.all import *`. Written by hand.

Nothing here is defined here: each name links to its notebook in the documentation, by the module it comes from."""
from pathlib import Path
import matplotlib.pyplot as plt
import numpy as np
import torch
from .core import set_seed
from .viz import show_grid,show_traversals
# data
from .data.factors import FactorSpace
from .data.open import load_dataset,load_world
# models
from .models.checkpoint import load_model,save_model,shipped_models
from .models.sampling import Sampler
from .models.features import DiscriminatorFeatures
# training
from .training.presets import departures,gan_learner,presets
from .training.callbacks import RunBar,TrainingPanel
# metrics
from .metrics.disentangle import evaluate_encoder,evaluate_generator,read_generated,factor_errors,render_ratio
from .metrics.labels import evaluate_labels
from .metrics.factors import score_factors
from .metrics.discovery import relative_changes,world_attributes
# discovery and editing
from .discover.subspace import informative_subspace
from .discover.navigator import Directions,direction_strips,load_directions,owner_of
from .discover.train import learn_directions
from .discover.refine import name_and_score,short_list,visible_steps
from .discover.invert import model_projector,project_both
from .discover.edits import edit_maps,edit_rows,edit_strips,load_edit,projection_edit,save_edit
# runs: folder in, folder out
from .runs.train import plan_run,train_run
from .runs.subject import seen_by,world_of
from .runs.page import model_report
from .runs.discover import run_discovery
from .runs.edit import read_photos
from .widgets import CodeSliders,DirectionSliders

__all__ = [o for o in globals() if not o.startswith('_')]
