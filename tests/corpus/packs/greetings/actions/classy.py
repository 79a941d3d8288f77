class Classy:
    def run(self):
        return True
