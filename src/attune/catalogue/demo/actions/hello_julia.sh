julia -e 'println("Hello from Julia ", VERSION)'
