//! The contract, as its public document words it: the six operations, every example request of the document, statuses and
//! bodies to the letter.

use serde_json::json;

use crate::support::TestApp;

#[tokio::test]
async fn the_documents_complete_walk() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;

    caller
        .post(
            "/extra/v2/credentials",
            json!({"supplier_code": "HIT", "production_username": "your_prod_user", "production_password": "your_prod_pass"}),
        )
        .await
        .expect_text(
            201,
            r#"{"supplier_code":"HIT","supplier_name":"Hit Promotional Products","has_staging_credentials":false,"has_production_credentials":true,"service_credentials":[]}"#,
        );
}
