"""One model over several devices, by what diffusers and torch provide, asked for in a model's row.

`degrees` reads the numbers without torch, before a process is started. `apply` puts them to work in each rank when
its pipeline has loaded, and refuses there what the model or the machine cannot do.
"""
