"""An LLM encoder of authors, trained on pairs of authors who share readers: pairs, text, training, daily vectors."""

import logging

# transformers loads DeepSpeed in every process, and on a machine without a GPU that warns of it each time.
logging.getLogger("DeepSpeed").addFilter(lambda said: not said.getMessage().startswith("Setting accelerator to CPU"))
