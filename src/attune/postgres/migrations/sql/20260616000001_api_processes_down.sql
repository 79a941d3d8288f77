DROP TABLE api_process;
