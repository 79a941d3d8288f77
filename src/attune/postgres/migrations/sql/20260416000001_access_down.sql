DROP TABLE audit;
DROP TABLE login_session;
DROP TABLE login_code;
DROP TABLE api_token;
DROP FUNCTION notify_token_change();
