read -r given
echo "{\"tagged\": true}"
