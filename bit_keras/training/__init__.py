"""The trainer: one step function on `tf.distribute`, a loop that survives, and `finetune` on top."""
