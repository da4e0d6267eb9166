"""The help text of `python -m search.run`."""

HELP = """\
usage: python -m search.run space=NAME_OR_FILE [key=value ...] [--plan | --config | --list] [--json]

Searches LoRA hyperparameters for at least two objectives: the training loss, and what the model can
still do. Running the same command again resumes a search; a larger trials=N extends it.

Choose:
  space=demo                   a shipped space (see --list), or a file: space=my.yaml
  model=NAME                   a preset, a hub id (org/name) or a folder
  task=NAME                    a preset, a file (.jsonl, .parquet, .txt) or a hub data set (org/name)
  capability=NAME              a preset, or a file of questions (.jsonl)
  searcher=NAME                what proposes trials: gp, tpe, nsga2, nsga3, qmc, random, grid, listed
  scheduler=NAME               what stops trials early: moasha, asha, none
  warm_start=FOLDER            start from the best of an earlier search: warm_start=runs/demo

Change any value by its dotted key; values are YAML:
  trials=30  limits.hours=2  budget.steps=60  fixed.batch_size=4  workers.zero_stage=3
  budget.epochs=3                                  passes over the data, in place of budget.steps
  parameters.lr.high=1e-3                          one bound of a searched parameter
  parameters.lr='{type: log-float, low: 1e-5, high: 1e-3}'
                                                   another parameter in its place
  parameters.rank=null fixed.rank=8                fix a parameter instead of searching it

Options:
  --plan     show what would run: first configurations, rungs, slots, parameters, time, memory
  --config   show the resolved configuration, and where each value came from
  --list     show everything that you can choose
  --json     machine-readable output
  --help     show this text

Examples:
  python -m search.run space=demo
  python -m search.run space=demo trials=24 scheduler=none --plan
  python -m search.run space=demo model=./my-model task=my.jsonl name=mine

Exit codes: 0 done, 1 failed, 2 wrong configuration or command line, 128 + n stopped by signal n
(130 Ctrl-C, 143 SIGTERM).
"""
