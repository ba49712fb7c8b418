// The targets count what the process has rented of the shared pool: one at a time.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
